import { type Dataset, spread } from "../data/index.js";
import { type BlockRounding, blockIntegers, gptqIntegers } from "../forms/index.js";
import type { HostTensor, Model } from "../graph/index.js";
import { type LinearLayer, linearLayers } from "../operators/index.js";
import { exposeValues, Feed, forEachBatch, requireRunner, type TransformContext } from "../runtime/index.js";

/** Samples that XᵀX is taken from. */
const SAMPLES = 64;
/** Rows of a sample's input that count, spread over it: neighbours in a picture say nearly the same. */
const ROWS = 64;
/** XᵀX of wider inputs is not kept: it takes 8 · width² bytes. */
const MAX_WIDTH = 4096;

/**
 * How blocks are rounded where it is known what the layers are fed: by GPTQ, with XᵀX of each layer's input over a few samples.
 */
export async function blockRounding(model: Model, dataset: Dataset, context: TransformContext): Promise<BlockRounding> {
  const layers = linearLayers(model.graph).filter(({ convolves, tensor }) => !convolves && tensor.dims.length === 2);
  const widths = new Map(
    layers.filter(({ inChannels }) => inChannels <= MAX_WIDTH).map((l) => [l.input, l.inChannels]),
  );
  const grams = await gramsOf(model, widths, dataset, context);
  return (layer, rows, options) => {
    const gram = gramFor(layer, grams);
    return gram ? gptqIntegers(rows, options, gram) : blockIntegers(rows, options);
  };
}

function gramFor(
  { input, inChannels }: LinearLayer,
  grams: ReadonlyMap<string, Float64Array>,
): Float64Array | undefined {
  const gram = grams.get(input);
  return gram?.length === inChannels ** 2 ? gram : undefined;
}

async function gramsOf(
  model: Model,
  widths: ReadonlyMap<string, number>,
  dataset: Dataset,
  context: TransformContext,
): Promise<Map<string, Float64Array>> {
  const chosen = spread(dataset, Math.min(SAMPLES, dataset.length));
  const feed = await Feed.of(model, chosen, context);
  const grams = new Map([...widths].map(([value, width]) => [value, new Float64Array(width ** 2)]));
  const own = new Set(feed.names);
  const fetches = [...widths.keys()].filter((value) => !own.has(value));
  await requireRunner(context, "forms").using(
    exposeValues(model, fetches),
    (session) =>
      forEachBatch(session, feed, { fetches, batchSize: 1 }, context, (results) => {
        for (const value of fetches) addGram(grams.get(value)!, results[value]!, widths.get(value)!);
      }),
    { purpose: "forms" },
  );
  for (const gram of grams.values()) mirror(gram);
  return new Map([...grams].filter(([value]) => !own.has(value)));
}

/** Adds the upper half of XᵀX. */
function addGram(gram: Float64Array, { data }: HostTensor, width: number): void {
  const values = data as Float32Array;
  const rows = values.length / width;
  const step = Math.max(1, Math.floor(rows / ROWS));
  for (let row = 0; row < rows; row += step) {
    const x = values.subarray(row * width, (row + 1) * width);
    for (let i = 0; i < width; i++) {
      const factor = x[i]!;
      if (factor === 0) continue;
      const from = i * width;
      for (let j = i; j < width; j++) gram[from + j]! += factor * x[j]!;
    }
  }
}

function mirror(gram: Float64Array): void {
  const width = Math.sqrt(gram.length);
  for (let i = 0; i < width; i++) for (let j = 0; j < i; j++) gram[i * width + j] = gram[j * width + i]!;
}
