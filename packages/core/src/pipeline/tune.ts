import { sensitivity } from "../analyze/sensitivity.js";
import { calibrate } from "../calibrate/index.js";
import { type Dataset, spread } from "../data/index.js";
import { CompressionError, OptionsError, rejectUnknownOptions, throwIfAborted } from "../errors.js";
import { cloneModel, type Model, serializeModel } from "../graph/index.js";
import { planQuantization, type QuantizeOptions, quantizationRequests } from "../quantize/index.js";
import { requireData, type TransformContext } from "../runtime/index.js";
import { COMPRESS_RECIPE, prepareModel, type RecipeStep } from "../steps/index.js";
import { firstFigure, type TaskOptions } from "../tasks/index.js";
import { compress, type PhaseRunner } from "./compress.js";
import { TuneJudge } from "./tune-judge.js";
import {
  type TrialSettings,
  TUNE_SCHEMA,
  TUNE_STATE_SCHEMA,
  type TuneReport,
  type TuneState,
  type TuneTrial,
} from "./tune-report.js";
import {
  byQuality,
  fits,
  gridSettings,
  leastExcluded,
  satisfies,
  type TuneConstraints,
  trialId,
  tuneFront,
} from "./tune-schedule.js";

/** Options for {@link tune}. */
export interface TuneOptions {
  /** Most top-1 that may be lost, 0–1; without labels most samples whose answer may change. Default: 0.01. */
  maxDrop?: number;
  /** Largest file. Default: any. */
  maxBytes?: number | undefined;
  /** Trials in all, those of `state` included. Default: 24. */
  trials?: number;
  /** What the network is for: `maxDrop` is then in its measure. Default: by its largest output. */
  task?: TaskOptions | undefined;
  /** Samples to calibrate on, spread over the data. Default: 100. */
  calibrationSamples?: number;
  /** Runtime or hardware. Default: `'ort-cpu'`. */
  target?: QuantizeOptions["target"] | undefined;
  /** What an earlier search with the same model and data knew: its trials are not made again. */
  state?: TuneState | undefined;
  /** Called after every new trial, with its model unless it failed. The state is worth saving only once the model is. */
  onTrial?: (event: {
    trial: TuneTrial;
    bytes: Uint8Array | undefined;
    state: TuneState;
    front: string[];
  }) => Promise<void>;
  /** Called around every trial. Default: only runs it. */
  phase?: PhaseRunner;
}

const TUNE_DEFAULTS = { maxDrop: 0.01, trials: 24, calibrationSamples: 100 } as const satisfies TuneOptions;

const KEYS = [...Object.keys(TUNE_DEFAULTS), "maxBytes", "task", "target", "state", "onTrial", "phase"];

/**
 * Looks for recipes that keep the constraints, and for the front of size and quality. First a grid over granularity,
 * equalization and range choosers; where no trial of it keeps `maxDrop`, 16-bit activations for the best of them, then its layers are
 * kept in float, those first whose sensitivity promises most, until the constraint holds or the file grows too large; and the same
 * layers with 16 bits in place of float.
 *
 * Every trial is {@link compress} with a recipe, measured against the float model on all samples. The order of trials follows
 * from their results alone, so a search that was stopped goes on from its `state` as if it had not been.
 * @throws {OptionsError} E2001 unknown key, E2002 a number out of range. @throws {RunError} E6005 cancelled; E7001.
 * @throws {ModelError} as `prepareModel`.
 */
export async function tune(model: Model, options: TuneOptions, context: TransformContext): Promise<TuneReport> {
  rejectUnknownOptions("tune", options, KEYS);
  const resolved = { ...TUNE_DEFAULTS, ...options };
  for (const key of ["trials", "calibrationSamples"] as const) requireNumber(key, resolved[key], Number.isInteger, 1);
  requireNumber("maxDrop", resolved.maxDrop, Number.isFinite, 0);
  return new Search(model, requireData(context, "tune"), resolved, context).run();
}

function requireNumber(key: string, value: number, isNumber: (value: unknown) => boolean, least: number): void {
  if (isNumber(value) && value >= least) return;
  throw new OptionsError("E2002", `tune: invalid ${key} ${value}, expected ${least} or more`, {
    expected: `${least} or more`,
    actual: value,
  });
}

/** Cancelled, options and data: not the recipe's fault. */
const FATAL = /^(E6005|E2|E5)/;

type Resolved = TuneOptions & Required<Pick<TuneOptions, keyof typeof TUNE_DEFAULTS>>;

class Search {
  readonly #trials = new Map<string, TuneTrial>();
  readonly #calibration: Dataset;
  readonly #constraints: TuneConstraints;
  /** Progress is that of the search, not of what it is made of. */
  readonly #quiet: TransformContext;
  readonly #folded: Model;
  #order: readonly string[] | undefined;
  #judge!: TuneJudge;

  constructor(
    readonly model: Model,
    readonly dataset: Dataset,
    readonly options: Resolved,
    readonly context: TransformContext,
  ) {
    const { maxDrop, maxBytes = Number.POSITIVE_INFINITY, calibrationSamples, state } = options;
    this.#constraints = { maxDrop, maxBytes };
    this.#folded = cloneModel(model);
    this.#calibration = spread(dataset, calibrationSamples);
    const { onProgress: _onProgress, ...quiet } = context;
    this.#quiet = quiet;
    for (const trial of state?.trials ?? []) this.#trials.set(trial.id, trial);
    this.#order = state?.order;
  }

  async run(): Promise<TuneReport> {
    const phase: PhaseRunner = this.options.phase ?? ((_name, work) => work());
    // First of all, because its errors say more than the runtime's.
    await prepareModel(this.#folded, this.#quiet);
    this.#judge = await phase("float model", () =>
      TuneJudge.of(this.model, this.dataset, this.#quiet, this.options.task),
    );
    const exhausted = await this.#search();
    const { metric, floatTop1, output, task } = this.#judge;
    const trials = [...this.#trials.values()];
    const { maxDrop, maxBytes } = this.#constraints;
    const good = trials.filter((trial) => satisfies(trial, this.#constraints));
    const best = good.sort((a, b) => a.bytes! - b.bytes! || byQuality(metric)(a, b))[0];
    return {
      schema: TUNE_SCHEMA,
      samples: this.dataset.length,
      labelled: task ? task.float.against === "labels" : output.labelled,
      metric,
      float: { bytes: serializeModel(this.model).length, top1: floatTop1 },
      task: task
        ? { metric: task.float.metrics[0]!, against: task.float.against, float: firstFigure(task.float) }
        : null,
      constraints: { maxDrop, maxBytes: Number.isFinite(maxBytes) ? maxBytes : null },
      trials,
      front: tuneFront(trials, metric).map(({ id }) => id),
      best: best?.id ?? null,
      exhausted,
    };
  }

  /** Whether the schedule came to its end within the budget. */
  async #search(): Promise<boolean> {
    const grid: TuneTrial[] = [];
    for (const settings of gridSettings()) {
      const trial = await this.#trial(settings);
      if (!trial) return false;
      grid.push(trial);
    }
    if (this.#isDone()) return true;
    const base = grid.filter((trial) => fits(trial, this.#constraints)).sort(byQuality(this.#judge.metric))[0];
    // Nothing makes a file smaller than the grid does.
    if (!base) return true;
    if (!(await this.#trial({ ...base.settings, activationBits: 16 }))) return false;
    if (this.#isDone()) return true;
    this.#order ??= await this.#sensitiveLayers(base.settings);
    const order = this.#order;
    let exhausted = true;
    let least: readonly string[] | undefined;
    await leastExcluded(order.length, async (count) => {
      const exclude = order.slice(0, count);
      const trial = await this.#trial({ ...base.settings, exclude });
      if (!trial) exhausted = false;
      const good = trial && satisfies(trial, this.#constraints);
      if (good && count < (least?.length ?? Number.POSITIVE_INFINITY)) least = exclude;
      // A file that is too large asks for fewer layers in float, as one that is good enough does.
      return trial && (good || !fits(trial, this.#constraints));
    });
    // What is enough in float often is in 16 bits, which take half the bytes.
    if (exhausted && least && !(await this.#trial({ ...base.settings, wide: least }))) return false;
    return exhausted;
  }

  #isDone(): boolean {
    return [...this.#trials.values()].some((trial) => satisfies(trial, this.#constraints));
  }

  /** The trial with these settings, known or made now; undefined when the budget is spent. */
  async #trial(settings: TrialSettings): Promise<TuneTrial | undefined> {
    const id = trialId(settings);
    const known = this.#trials.get(id);
    if (known) return known;
    const { trials, phase = (_name, work) => work(), onTrial } = this.options;
    if (this.#trials.size >= trials) return undefined;
    throwIfAborted(this.context.signal, "tune");
    const { trial, bytes } = await phase(id, () => this.#measure(id, settings), describeTrial);
    this.#trials.set(id, trial);
    this.context.onProgress?.({ phase: "tune", done: this.#trials.size, total: trials });
    const front = tuneFront([...this.#trials.values()], this.#judge.metric).map((own) => own.id);
    await onTrial?.({ trial, bytes, state: this.#state(), front });
    return trial;
  }

  #state(): TuneState {
    const order = this.#order && { order: this.#order };
    return { schema: TUNE_STATE_SCHEMA, trials: [...this.#trials.values()], ...order };
  }

  async #measure(id: string, settings: TrialSettings): Promise<Measured> {
    try {
      const steps = recipeOf(settings, this.options.target);
      const result = await compress(this.model, { steps }, { ...this.#quiet, data: this.#calibration });
      const { bytes } = result;
      return { trial: { id, settings, bytes: bytes.length, ...(await this.#judge.measure(result.model)) }, bytes };
    } catch (error) {
      // A recipe that this runtime or model does not take is a result too, unless it is the first: then none will do.
      const isResult = error instanceof CompressionError && this.#trials.size > 0 && !FATAL.test(error.code);
      if (!isResult) throw error;
      const none = { bytes: null, sqnrDb: null, agreement: null, top1: null, interval: null, drop: null };
      return { trial: { id, settings, ...none, error: error.message }, bytes: undefined };
    }
  }

  /** Layers of the folded network, the one first whose float gains most. */
  async #sensitiveLayers(settings: TrialSettings): Promise<string[]> {
    const folded = this.#folded;
    const quantize = quantizeOf(settings, this.options.target);
    const requests = quantizationRequests(folded, quantize);
    const calibration = await calibrate(folded, { requests }, { ...this.#quiet, data: this.#calibration });
    const plan = planQuantization(folded, calibration, quantize);
    const { layers } = await sensitivity(folded, { plan }, { ...this.#quiet, data: this.#calibration });
    return layers.map(({ layer }) => layer);
  }
}

interface Measured {
  readonly trial: TuneTrial;
  readonly bytes: Uint8Array | undefined;
}

function quantizeOf(
  { granularity, chooser, activationBits, exclude, wide = [] }: TrialSettings,
  target: QuantizeOptions["target"],
): QuantizeOptions {
  return {
    granularity,
    calibrator: chooser,
    ...(chooser === "mse" && { weightCalibrator: "mse" }),
    ...(activationBits === 16 && { activations: "uint16" as const }),
    ...(target && { target }),
    exclude,
    ...(wide.length > 0 && { layerBits: wide.map((layer) => `${layer}=16/16`) }),
  };
}

/** The preset of `compress` with the trial's settings. */
function recipeOf(settings: TrialSettings, target: QuantizeOptions["target"]): RecipeStep[] {
  return COMPRESS_RECIPE.filter(({ use }) => settings.equalize || use !== "equalize").map((step) =>
    step.use === "quantize" ? { ...step, ...quantizeOf(settings, target) } : step,
  );
}

function describeTrial({ trial: { bytes, sqnrDb, top1, agreement, figure, error } }: Measured): string {
  if (error !== undefined) return `failed: ${error}`;
  if (figure !== undefined && figure !== null) return `${figure.toFixed(4)}, ${sqnrDb!.toFixed(1)} dB, ${bytes} bytes`;
  const share = top1 ?? agreement;
  const what = top1 === null ? "same answer" : "top-1";
  return `${share === null ? "" : `${(100 * share).toFixed(1)} % ${what}, `}${sqnrDb!.toFixed(1)} dB, ${bytes} bytes`;
}
