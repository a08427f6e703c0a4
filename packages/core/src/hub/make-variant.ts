import { OutputProbe } from "../analyze/index.js";
import { type Dataset, subset } from "../data/index.js";
import { CompressionError } from "../errors.js";
import { applyForms, type FormsReport, toFloat16 } from "../forms/index.js";
import { cloneModel, type Model } from "../graph/index.js";
import type { TransformContext } from "../runtime/index.js";
import { equalizeDynamic } from "../steps/index.js";
import { blockRounding } from "./block-rounding.js";
import type { HubWay } from "./dtypes.js";

/** A model in another dtype. */
export interface HubVariant {
  readonly model: Model;
  readonly forms: FormsReport;
  /** Constants that float16 cut off. */
  readonly cut: readonly string[];
  /** What was learned from the samples and kept, in words; empty where nothing was, or it did not help. */
  readonly learned: readonly ("equalized" | "gptq")[];
  /** Why something could not be learned. */
  readonly notes: readonly string[];
}

/** Samples that choose between what was learned and what was not, and as many at most to learn from. */
const JUDGES = 24;
const TEACHERS = 32;

/**
 * Makes variants of one prepared float32 model. What can be learned from samples is learned once for all of them: channels are equalized for
 * dynamic int8, blocks of 4 bits are rounded by GPTQ. Either stays only where other samples say that the outputs come closer.
 */
export class VariantMaker {
  readonly #original: Model;
  readonly #context: TransformContext;
  readonly #teachers: Dataset | undefined;
  readonly #judges: Dataset | undefined;
  #probe: Promise<OutputProbe> | undefined;
  #equalized: Promise<Model> | undefined;

  /** `samples` are neither those that the result is measured on nor needed: without them nothing is learned. */
  constructor(original: Model, samples: Dataset | undefined, context: TransformContext) {
    this.#original = original;
    this.#context = context;
    if (samples === undefined || samples.length < 4) return;
    const indices = Array.from({ length: samples.length }, (_, index) => index);
    this.#teachers = subset(samples, indices.filter((index) => index % 2 === 0).slice(0, TEACHERS));
    this.#judges = subset(samples, indices.filter((index) => index % 2 === 1).slice(0, JUDGES));
  }

  /** The weights that stay are shared with the original. */
  async make(way: HubWay): Promise<HubVariant> {
    const plain = await this.#plain(way, this.#original);
    const lesson = lessonOf(way);
    if (lesson === undefined || !this.#teachers) return { ...plain, learned: [], notes: [] };
    try {
      const learned =
        lesson === "gptq" ? await this.#rounded(way) : await this.#plain(way, await this.#equalizedModel());
      const better = (await this.#sqnrDb(learned.model)) > (await this.#sqnrDb(plain.model));
      return better ? { ...learned, learned: [lesson], notes: [] } : { ...plain, learned: [], notes: [] };
    } catch (error) {
      // What cannot be learned on this network leaves it as it was.
      if (!(error instanceof CompressionError) || error.code === "E6005") throw error;
      return { ...plain, learned: [], notes: [`${lesson}: ${error.message}`] };
    }
  }

  async #plain(way: HubWay, original: Model, round?: Awaited<ReturnType<typeof blockRounding>>) {
    const model = cloneModel(original);
    const forms = await applyForms({ rules: way.rules, ...(round && { round }) })(model, this.#context);
    const cut = way.float16 ? toFloat16(model).cut : [];
    return { model, forms, cut };
  }

  async #rounded(way: HubWay) {
    return this.#plain(way, this.#original, await blockRounding(this.#original, this.#teachers!, this.#context));
  }

  #equalizedModel(): Promise<Model> {
    this.#equalized ??= (async () => {
      const model = cloneModel(this.#original);
      await equalizeDynamic(model, {}, { ...this.#context, data: this.#teachers });
      return model;
    })();
    return this.#equalized;
  }

  async #sqnrDb(model: Model): Promise<number> {
    this.#probe ??= OutputProbe.of(this.#original, this.#judges!, this.#context, JUDGES);
    return (await (await this.#probe).measure(model, this.#context)).sqnrDb;
  }
}

function lessonOf({ rules }: HubWay): "equalized" | "gptq" | undefined {
  if (rules.some(({ form }) => form === "blocks-4")) return "gptq";
  return rules.some(({ form }) => form === "dynamic-int8") ? "equalized" : undefined;
}
