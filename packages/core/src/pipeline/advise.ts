import { SensitivityStudy } from "../analyze/sensitivity-study.js";
import { type MeasuredLayer, measuredLayers } from "../analyze/sqnr-layers.js";
import type { SqnrReport } from "../analyze/sqnr-report.js";
import { type Calibration, calibrate } from "../calibrate/index.js";
import { type Dataset, spread } from "../data/index.js";
import { OptionsError, rejectUnknownOptions, throwIfAborted } from "../errors.js";
import { cloneModel, type GraphIndex, indexGraph, labelOf, type Model } from "../graph/index.js";
import { factsOf, fuses } from "../operators/facts.js";
import {
  planQuantization,
  type QuantizationPlan,
  type QuantizeOptions,
  quantizationRequests,
  resolveQuantizeOptions,
} from "../quantize/index.js";
import { requireData, type TransformContext } from "../runtime/index.js";
import { applyFloatStep, type RecipeStep } from "../steps/index.js";
import { ADVICE_SCHEMA, type AdviceFinding, type AdviceReport, type Remedy, type RemedyKind } from "./advice-report.js";
import { type Diagnosis, diagnose } from "./diagnose.js";
import { type ValueSuspect, valueSuspects } from "./value-suspects.js";

/** Options for {@link advise}: what is known already of the quantized network, and how much to try. */
export interface AdviseOptions {
  readonly calibration: Calibration;
  readonly plan: QuantizationPlan;
  /** Options that made the plan; undefined for a plan read from a file: the only remedy tried then is to keep a layer in float. */
  readonly quantize: QuantizeOptions | undefined;
  /** Local ratios of the layers. */
  readonly sqnr: SqnrReport;
  /** Samples, spread over the dataset. Default: 8. */
  samples?: number;
  /**
   * Layers that are quantized alone: those with the lowest local SQNR and those with the least even channels. A third as many values that no
   * layer makes are, too: outputs of Add, Concat and activations. Default: 8.
   */
  layers?: number;
  /** Layers, worst first, that remedies are tried for. Default: 3. */
  remedies?: number;
}

export const ADVISE_DEFAULTS = { samples: 8, layers: 8, remedies: 3 } as const satisfies Partial<AdviseOptions>;
const KNOWN = ["calibration", "plan", "quantize", "sqnr"];
type Counts = Pick<Required<AdviseOptions>, keyof typeof ADVISE_DEFAULTS>;

/** What is known of a folded network. */
interface Known extends AdviseOptions {
  readonly model: Model;
  readonly dataset: Dataset;
}

/** A remedy that gains less is none; one this close to the best is as good. */
const WORTH_DB = 0.5;
const CLOSE_DB = 1;
/** Cheapest first: all up to `per-channel` change neither size nor speed for the worse; float layers cost both, and wide integers rarely have kernels. */
const COST: readonly RemedyKind[] = [
  ...(["equalize", "minmax", "dead-channels", "dead-channels+equalize", "per-channel"] as const),
  ...(["float", "weight-bits", "activation-bits"] as const),
];

interface Suspect {
  readonly measured: MeasuredLayer;
  readonly localDb: number;
  readonly diagnosis: Diagnosis;
}

/**
 * Which layers and values harm the output most, why, and what helps: quantizes suspects alone, names the kind of loss, and
 * tries remedies, each by the output SQNR of the whole quantized network on a few samples (float emulation). A layer whose
 * own SQNR is high can still be the culprit: where one channel dominates, it is that channel's signal that is measured.
 * The model is not changed.
 * @throws {OptionsError} E2001 unknown key, E2002 a number out of range. @throws {RunError} E6005 cancelled.
 */
export async function advise(model: Model, options: AdviseOptions, context: TransformContext): Promise<AdviceReport> {
  rejectUnknownOptions("advise", options, [...KNOWN, ...Object.keys(ADVISE_DEFAULTS)]);
  const resolved = { ...ADVISE_DEFAULTS, ...options };
  const input: Known = { ...options, model, dataset: requireData(context, "advise") };
  for (const key of Object.keys(ADVISE_DEFAULTS) as (keyof Counts)[]) {
    const value = resolved[key];
    if (Number.isInteger(value) && value >= 1) continue;
    throw new OptionsError("E2002", `advise: invalid ${key} ${value}, expected a whole number from 1`, {
      expected: "an integer, 1 or more",
      actual: value,
    });
  }
  const dataset = spread(input.dataset, resolved.samples);
  const study = await SensitivityStudy.of(input.model, input.plan, dataset, context);
  const allDb = await study.whole();
  const found: Found[] = [];
  const tries = new Map<string, Tried>();
  const layers = measuredLayers(model.graph, input.plan).layers;
  const chosen = suspects(input, layers, resolved.layers);
  const { onProgress: _onProgress, ...quiet } = context;
  const values = await valueSuspects(model, input.plan, layers, Math.ceil(resolved.layers / 3), {
    ...quiet,
    data: dataset,
  });
  const total = chosen.length + Math.min(resolved.remedies, chosen.length);
  for (const [at, { measured, localDb, diagnosis }] of chosen.entries()) {
    throwIfAborted(context.signal, "advise");
    const { aloneDb, withoutDb } = await study.layer(measured);
    const { imbalance: _imbalance, ...what } = diagnosis;
    found.push({ layer: measured.name, opType: measured.layer.opType, ...what, localDb, aloneDb });
    const around = [measured.name];
    tries.set(measured.name, { around, values: [measured.value], output: measured.layer.output, withoutDb });
    context.onProgress?.({ phase: "advise", done: at + 1, total });
  }
  for (const suspect of values) {
    throwIfAborted(context.signal, "advise");
    const name = labelOf(suspect.node);
    if (tries.has(name)) continue;
    const { imbalance: _imbalance, ...what } = suspect.diagnosis;
    const alone = await study.withPlan(withValues(input.plan, suspect, true));
    const withoutDb = await study.withPlan(withValues(input.plan, suspect, false));
    found.push({ layer: name, opType: suspect.node.opType, ...what, localDb: suspect.localDb, aloneDb: alone });
    tries.set(name, { around: suspect.around, values: suspect.values, withoutDb });
  }
  const trials = new Trials(
    input,
    dataset,
    study,
    context,
    found.some(({ kind }) => kind === "deadWideChannel"),
  );
  const findings: AdviceFinding[] = [];
  for (const [at, finding] of inOrder(found).entries()) {
    if (at >= resolved.remedies) {
      findings.push({ ...finding, remedies: [], recommended: null });
      continue;
    }
    const one = tries.get(finding.layer)!;
    const remedies = (await trials.of(one))
      .map(([remedy, scope, outputDb]): Remedy => {
        const nodes = remedy === "float" && { nodes: one.around };
        return { remedy, scope, outputDb, gainDb: outputDb - allDb, ...nodes };
      })
      .sort((a, b) => b.gainDb - a.gainDb);
    findings.push({ ...finding, remedies, recommended: recommend(remedies) });
    context.onProgress?.({ phase: "advise", done: chosen.length + at + 1, total });
  }
  return { schema: ADVICE_SCHEMA, samples: dataset.length, allDb, findings };
}

/** What remedies are tried for. */
interface Tried {
  /** Nodes that are left in float. */
  readonly around: readonly string[];
  /** Values whose bits are raised. */
  readonly values: readonly string[];
  /** The layer's output, where there is a layer. */
  readonly output?: string;
  /** Output SQNR without its integers, for plans that cannot be made anew. */
  readonly withoutDb: number;
}

/** The plan with nothing quantized but the values of a suspect, or with everything but these. */
function withValues(plan: QuantizationPlan, { values }: ValueSuspect, only: boolean): QuantizationPlan {
  const activations = new Map([...plan.activations].filter(([value]) => values.includes(value) === only));
  return { ...plan, activations, parameters: only ? [] : plan.parameters };
}

type Found = Omit<AdviceFinding, "remedies" | "recommended">;

/** Lowest output SQNR first; what a layer causes elsewhere counts as its own and follows it. */
function inOrder(found: readonly Found[]): Found[] {
  const caused = (by: Found) => found.filter(({ cause }) => cause === by.layer);
  const harm = (own: Found) => [own, ...caused(own)].reduce((least, { aloneDb }) => Math.min(least, aloneDb), Infinity);
  return found
    .filter(({ cause }) => !found.some(({ layer }) => layer === cause))
    .sort((a, b) => harm(a) - harm(b))
    .flatMap((own) => [own, ...caused(own).sort((a, b) => a.aloneDb - b.aloneDb)]);
}

/** The cheapest remedy that gains almost as much as the best; null where none is worth it. */
function recommend(remedies: readonly Remedy[]): Remedy | null {
  const best = remedies[0];
  if (!best || best.gainDb < WORTH_DB) return null;
  const good = remedies.filter(({ gainDb }) => gainDb >= WORTH_DB && gainDb >= best.gainDb - CLOSE_DB);
  return COST.flatMap((kind) => good.filter(({ remedy }) => remedy === kind))[0]!;
}

/** Layers worth a closer look, in graph order: half by local SQNR, half by how uneven their channels are. */
function suspects({ model, sqnr, calibration }: Known, layers: readonly MeasuredLayer[], count: number): Suspect[] {
  const ratios = new Map(sqnr.layers.map((own) => [own.layer, own]));
  const stats = calibration.activationStats();
  const all: Suspect[] = [];
  const index = indexGraph(model.graph);
  for (const measured of layers) {
    const sqnr = ratios.get(measured.name);
    if (!sqnr) continue;
    const source = producerOf(index, measured, all);
    const evidence = { measured, sqnr, stats: stats.get(measured.value) ?? stats.get(measured.layer.output) };
    const diagnosis = diagnose(evidence, source && { name: source.measured.name, diagnosis: source.diagnosis });
    all.push({ measured, localDb: sqnr.local.both, diagnosis });
  }
  const uneven = [...all].sort((a, b) => b.diagnosis.imbalance - a.diagnosis.imbalance);
  const picked = new Set(uneven.slice(0, Math.floor(count / 2)));
  for (const suspect of [...all].sort((a, b) => a.localDb - b.localDb)) if (picked.size < count) picked.add(suspect);
  return all.filter((suspect) => picked.has(suspect));
}

/** The layer whose output channels are the input channels of `measured`. */
function producerOf(index: GraphIndex, { layer }: MeasuredLayer, before: readonly Suspect[]): Suspect | undefined {
  let value = layer.input;
  for (;;) {
    const source = before.find(({ measured }) => measured.layer.output === value);
    if (source) return source.measured.layer.outChannels === layer.inChannels ? source : undefined;
    const node = index.producer(value);
    // Operators that keep channels apart and in order; equalized activations end in a Min with constants.
    if (!node || !(factsOf(node)?.channels !== undefined || fuses(node))) return undefined;
    value = node.inputs[0]!;
  }
}

type Trial = readonly [RemedyKind, Remedy["scope"], outputDb: number];

/** Samples that remedies are calibrated on: enough for ranges, and every calibration is a pass over them. */
const CALIBRATED = 32;

/** Tries remedies; those of the whole network once. */
class Trials {
  #network: Promise<Trial[]> | undefined;

  constructor(
    readonly input: Known,
    readonly dataset: Dataset,
    readonly study: SensitivityStudy,
    readonly context: TransformContext,
    /** Whether any channel that sets a range carries nothing. */
    readonly hasDead: boolean,
  ) {}

  async of({ around, values, output, withoutDb }: Tried): Promise<Trial[]> {
    const { quantize } = this.input;
    if (!quantize) return [["float", "layer", withoutDb]];
    this.#network ??= this.#wholeNetwork(quantize);
    const found = [...(await this.#network)];
    const wide = this.#planWith(quantize, { weightBits: 16, activations: "uint16", activationBits: 16 });
    const { plan } = this.input;
    const isLayer = ({ layer }: QuantizationPlan["parameters"][number]) => layer.output === output;
    const parameters = wide.parameters.find(isLayer);
    if (parameters) {
      const changed = { ...plan, parameters: plan.parameters.map((own) => (isLayer(own) ? parameters : own)) };
      found.push(["weight-bits", "layer", await this.study.withPlan(changed)]);
    }
    const encoded = values.filter((value) => plan.activations.has(value) && wide.activations.has(value));
    if (encoded.length > 0) {
      const activations = new Map(plan.activations);
      for (const value of encoded) activations.set(value, wide.activations.get(value)!);
      found.push(["activation-bits", "layer", await this.study.withPlan({ ...plan, activations })]);
    }
    // As the command would write it: what others on integers read stays rounded.
    const exclude = [...(quantize.exclude ?? []), ...around];
    found.push(["float", "layer", await this.study.withPlan(this.#planWith(quantize, { exclude }))]);
    return found;
  }

  async #wholeNetwork(quantize: QuantizeOptions): Promise<Trial[]> {
    const { granularity, calibrator } = resolveQuantizeOptions(quantize);
    const found: Trial[] = [];
    const add = (kind: RemedyKind, outputDb: number | undefined) => {
      if (outputDb !== undefined) found.push([kind, "network", outputDb]);
    };
    add("equalize", await this.#behind(quantize, { use: "equalize" }));
    if (this.hasDead) {
      add("dead-channels", await this.#behind(quantize, { use: "dead-channels" }));
      add("dead-channels+equalize", await this.#behind(quantize, { use: "dead-channels" }, { use: "equalize" }));
    }
    const measure = (change: QuantizeOptions) => this.study.withPlan(this.#planWith(quantize, change));
    if (granularity === "per-tensor") {
      found.push(["per-channel", "network", await measure({ granularity: "per-channel" })]);
    }
    if (calibrator !== "minmax") found.push(["minmax", "network", await measure({ calibrator: "minmax" })]);
    return found;
  }

  #planWith(quantize: QuantizeOptions, change: QuantizeOptions): QuantizationPlan {
    const { model, calibration } = this.input;
    return planQuantization(model, calibration, { ...quantize, ...change });
  }

  /** Output SQNR behind float steps, quantized alike; undefined where the first one changes nothing. */
  async #behind(quantize: QuantizeOptions, ...steps: readonly RecipeStep[]): Promise<number | undefined> {
    const { model: source, calibration } = this.input;
    const model = cloneModel(source);
    // Progress is that of the advice, not of what it is made of.
    const { onProgress: _onProgress, ...rest } = this.context;
    const quiet = { ...rest, data: spread(this.input.dataset, CALIBRATED) };
    let known = calibration;
    for (const step of steps) {
      const given = { quantize, known: known.activationStats(), biasCorrected: false };
      const { modified } = await applyFloatStep(model, step, given, quiet);
      if (!modified && step === steps[0]) return undefined;
      known = await calibrate(model, { requests: quantizationRequests(model, quantize) }, quiet);
    }
    const plan = planQuantization(model, known, quantize);
    return (await SensitivityStudy.of(model, plan, this.dataset, quiet)).whole();
  }
}
