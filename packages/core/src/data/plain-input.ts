import { isFixed, type Signature } from "../graph/index.js";
import type { ModelInput } from "./input.js";
import type { ImageLayout, PreprocessOptions } from "./preprocess.js";

/** Element types that pixels and measured numbers can be given in. */
const NUMBERS: readonly (string | undefined)[] = [undefined, "float32", "float16", "float64", "uint8"];

/**
 * The only input of a network that takes one array of numbers a sample, with the batch dimension in front: what images and plain arrays are
 * made for. Height and width that the model leaves open are those that preprocessing ends with; other open sizes are 0, the data say them.
 * Undefined for networks that take anything else: these are fed with records.
 */
export function plainInput(
  { inputs }: Signature,
  layout: ImageLayout | undefined,
  { crop, resize }: PreprocessOptions = {},
): ModelInput | undefined {
  const [input] = inputs;
  if (inputs.length !== 1 || !input?.dims || input.dims.length < 2 || !NUMBERS.includes(input.dtype)) return undefined;
  const dims = input.dims.slice(1).map((dim) => (isFixed(dim) ? dim : 0));
  const order = layout ?? (dims.length === 3 ? guessedLayout(dims) : undefined);
  const size = crop ?? resize;
  if (dims.length === 3 && size !== undefined) {
    const [height, width] = typeof size === "number" ? [size, size] : size;
    const at = order === "NHWC" ? 0 : 1;
    dims[at] ||= height;
    dims[at + 1] ||= width;
  }
  return { shape: dims, ...(order && (layout || dims.includes(0)) && { layout: order }) };
}

/** Channels are the size that is said to be 1 or 3. */
function guessedLayout([a, , c]: readonly number[]): ImageLayout | undefined {
  if (a === 1 || a === 3) return "NCHW";
  return c === 1 || c === 3 ? "NHWC" : undefined;
}
