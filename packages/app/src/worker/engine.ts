import { DataError, ModelError } from "@equant/core/errors";
import {
  adviseRun,
  type CompressResult,
  cloneModel,
  type Dataset,
  type FloatTrial,
  inspectModel,
  keepInFloat,
  type Model,
  type ObservedType,
  OutputProbe,
  observeShapes,
  parseModel,
  prepareModel,
  type RecipeStep,
  spread,
  type WeightRanges,
  weightRanges,
  zeroFeeds,
} from "@equant/core/lab";
import { floatWeights } from "@equant/report";
import type { CallName, Params, Result } from "../protocol.js";
import { calibrateModel, observe, summarizeCalibration } from "./calibrate.js";
import { checkData } from "./check-data.js";
import { compareSample } from "./compare-sample.js";
import { type CallContext, transformContext } from "./context.js";
import { previewEqualize } from "./equalize.js";
import { execute } from "./execute.js";
import { findConfused } from "./find-confused.js";
import type { Gate } from "./gate.js";
import { reportOf, validate } from "./measure.js";
import { guessOf, type OpenData, openData, summarizeData } from "./open-data.js";
import { type OpenModel, openModel, summarizeModel } from "./open-model.js";
import { chooseProvider, threadCount } from "./ort.js";
import { pruneModel } from "./prune.js";

/** Samples on which a file is run before it may be called saved. */
const VERIFIED_SAMPLES = 4;

/** Samples that decibels are measured on when layers are looked for that must stay in float. */
const FIX_DB_SAMPLES = 64;

/** Networks of runs that are kept for their reports. */
const KEPT_RESULTS = 2;

/** What the worker holds: one model, one set of data, and what was computed of both. */
export class Engine {
  #model: OpenModel | undefined;
  #data: OpenData | undefined;
  #prepared: Model | undefined;
  #ranges: WeightRanges | undefined;
  /** Types of the model's values; folding keeps those of the values it leaves. */
  #shapes: ReadonlyMap<string, ObservedType> | undefined;
  readonly #results = new Map<string, CompressResult>();

  constructor(readonly gate: Gate) {}

  async call<N extends CallName>(
    name: N,
    params: Params<N>,
    context: CallContext,
  ): Promise<{ result: Result<N>; transfer: Transferable[] }> {
    const handler = this.#handlers[name] as (params: Params<N>, context: CallContext) => Promise<Result<N>>;
    const result = await handler(params, context);
    return { result, transfer: [] };
  }

  readonly #handlers: {
    readonly [N in CallName]: (params: Params<N>, context: CallContext) => Promise<Result<N>>;
  } = {
    warm: async ({ provider }) => ({
      threads: threadCount(),
      isolated: globalThis.crossOriginIsolated,
      ...(await chooseProvider(provider)),
    }),
    openModel: async ({ source }) => {
      const model = await openModel(source);
      const ranges = await weightRanges(model.model);
      const summary = await summarizeModel(model, ranges);
      this.#model = model;
      this.#ranges = ranges;
      this.#shapes = undefined;
      this.#data = undefined;
      this.#prepared = undefined;
      this.#results.clear();
      return summary;
    },
    weights: async ({ except }) => {
      const { folded, layers } = await this.#weightRanges();
      return floatWeights(
        folded,
        undefined,
        layers.map(({ name }) => name).filter((name) => !except.includes(name)),
      );
    },
    inspect: async (_params, call) => {
      const { runner } = await transformContext(call);
      const { model, fileBytes } = this.model;
      const shapes = await observeShapes(model, zeroFeeds(model), { runner: runner! });
      this.#shapes = shapes;
      const report = await inspectModel(model, { bytes: fileBytes, shapes, ranges: await this.#weightRanges() });
      // The last that reads the folded copy, which is as large as the model.
      this.#ranges = undefined;
      return report;
    },
    openData: async ({ source, plan }) => {
      const data = await openData(source, plan, this.model.model);
      const summary = await summarizeData(data, source, plan);
      this.#data = data;
      return summary;
    },
    check: async (_params, context) =>
      checkData(this.model.model, this.data.calibrate, await transformContext(context)),
    guess: async ({ source, plan }, context) =>
      (await guessOf(source, plan, this.model.model, await transformContext(context))) ?? null,
    calibrate: async ({ steps }, context) => {
      const prepared = await this.#preparedModel(context);
      const calibrated = { model: prepared, sha256: this.model.sha256, shapes: this.#shapes };
      return calibrateModel(calibrated, this.#samples(), steps, context);
    },
    useCalibration: async ({ text }, context) =>
      summarizeCalibration({ model: await this.#preparedModel(context), sha256: this.model.sha256 }, text),
    observe: async ({ text, steps }, context) =>
      observe(await this.#preparedModel(context), this.#samples(), text, steps, context),
    previewEqualize: async ({ steps }, context) =>
      previewEqualize(
        cloneModel(await this.#preparedModel(context)),
        this.#samples(),
        steps,
        await transformContext(context),
      ),
    execute: async ({ id, steps, calibration }, context) =>
      (await this.#execute(id, steps, calibration, context)).outcome,
    report: async ({ id, steps, calibration }, context) => {
      const result = await this.#result(id, steps, calibration, context);
      return reportOf(this.model, this.#samples(), result, steps, context);
    },
    fixIt: async ({ id, steps, calibration, target }, context) => {
      const result = await this.#result(id, steps, calibration, context);
      const samples = target.kind === "db" ? spread(this.data.validate, FIX_DB_SAMPLES) : this.data.validate;
      const onTrial = (trials: readonly FloatTrial[]) =>
        context.onProgress({ phase: "fix it", done: trials.length, total: 0, part: trials });
      const [calibrate, validate] = [this.#samples(), this.gate.dataset(samples)];
      const input = { original: this.model.model, result, steps, calibrate, validate, onTrial };
      return keepInFloat(input, target, await transformContext(context));
    },
    advise: async ({ id, steps, calibration }, context) => {
      const result = await this.#result(id, steps, calibration, context);
      return adviseRun(result, this.#samples(), await transformContext(context));
    },
    prune: async (params, context) => {
      const { calibrate, validate: judged } = this.data;
      const gated = { calibrate: this.gate.dataset(calibrate), validate: this.gate.dataset(judged) };
      return pruneModel(await this.#preparedModel(context), gated, params, context);
    },
    page: async ({ report }) => (await import("@equant/report/node")).renderReport(report),
    validate: ({ bytes }, context) => validate(this.model, this.gate.dataset(this.data.validate), bytes, context),
    compareSample: ({ id, layer, ...bytes }, context) => {
      const pair = { ...bytes, original: this.model.model, dataset: this.data.validate };
      return compareSample(pair, id, layer, context);
    },
    findConfused: ({ bytes, ...cell }, context) =>
      findConfused(this.model.model, bytes, this.gate.dataset(this.data.validate), cell, context),
    verify: async ({ bytes }, call) => {
      const context = await transformContext(call);
      const samples = spread(this.data.calibrate, VERIFIED_SAMPLES);
      parseModel(bytes, { file: "result" });
      const probe = await OutputProbe.of(this.model.model, samples, context);
      return { samples: samples.length, error: await probe.measure(bytes, context) };
    },
  };

  get model(): OpenModel {
    if (this.#model) return this.#model;
    throw new ModelError("E3001", "model: none is open", { hint: "drop an ONNX model, or open the demo" });
  }

  get data(): OpenData {
    if (this.#data) return this.#data;
    throw new DataError("E5001", "data: none is open", { hint: "drop images, or take the demo's digits" });
  }

  async #weightRanges(): Promise<WeightRanges> {
    this.#ranges ??= await weightRanges(this.model.model);
    return this.#ranges;
  }

  #samples(): Dataset {
    return this.gate.dataset(this.data.calibrate);
  }

  /** A worker that was started anew holds no results: the recipe gives the same one again. */
  async #result(id: string, steps: readonly RecipeStep[], calibration: string, context: CallContext) {
    return this.#results.get(id) ?? (await this.#execute(id, steps, calibration, context)).result;
  }

  async #execute(id: string, steps: readonly RecipeStep[], calibration: string | null, context: CallContext) {
    const done = await execute(this.model, this.#samples(), steps, calibration, context);
    this.#results.set(id, done.result);
    for (const old of [...this.#results.keys()].slice(0, -KEPT_RESULTS)) this.#results.delete(old);
    return done;
  }

  async #preparedModel(context: CallContext): Promise<Model> {
    if (this.#prepared) return this.#prepared;
    const model = cloneModel(this.model.model);
    await prepareModel(model, await transformContext(context));
    this.#prepared = model;
    return model;
  }
}
