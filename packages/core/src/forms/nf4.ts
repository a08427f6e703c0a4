import { int, Tensor } from "../graph/index.js";
import type { LinearLayer } from "../operators/index.js";
import { addBias } from "./add-bias.js";
import { type FormWriter, MICROSOFT } from "./form-writer.js";
import { type OutputRows, rowsKey } from "./output-rows.js";

/**
 * NormalFloat of 4 bits (Dettmers et al. 2023, «QLoRA», appendix E): quantiles of the normal distribution, scaled to [−1, 1], with an exact 0.
 */
export const NF4_VALUES: readonly number[] = [
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
  -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
  0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
];

/** Halfway between neighbours: what lies above belongs to the next value. */
const BORDERS = NF4_VALUES.slice(1).map((value, at) => (value + NF4_VALUES[at]!) / 2);

/** Weights with one largest magnitude a block as codes 0 … 15 of {@link NF4_VALUES}, the first of two in the high half of a byte. */
export function nf4Codes(
  { data }: Pick<OutputRows, "data">,
  width: number,
): { packed: Uint8Array; largest: Float32Array } {
  const packed = new Uint8Array(Math.ceil(data.length / 2));
  const largest = new Float32Array(Math.ceil(data.length / width));
  for (let block = 0; block < largest.length; block++) {
    const [from, to] = [block * width, Math.min(data.length, (block + 1) * width)];
    for (let i = from; i < to; i++) largest[block] = Math.max(largest[block]!, Math.abs(data[i]!));
    for (let i = from; i < to; i++) {
      const share = largest[block]! > 0 ? data[i]! / largest[block]! : 0;
      let code = 0;
      while (code < 15 && share > BORDERS[code]!) code++;
      packed[i >> 1]! |= code << ((i & 1) === 0 ? 4 : 0);
    }
  }
  return { packed, largest };
}

/** A layer as MatMulBnb4 (domain com.microsoft) with NF4 weights: the rows [N, K] one behind the other in blocks of `width`. */
export function writeNf4(writer: FormWriter, layer: LinearLayer, rows: OutputRows, width: number): void {
  const constants = writer.once(`nf4 ${rowsKey(layer)} ${width}`, () => {
    const { packed, largest } = nf4Codes(rows, width);
    return [
      writer.constant(Tensor.of("uint8", [packed.length], packed), `${layer.weight}_nf4`),
      writer.constant(Tensor.float32([largest.length], largest), `${layer.weight}_absmax`),
    ];
  });
  const attributes = { K: int(rows.inputs), N: int(rows.outputs), block_size: int(width), quant_type: int(1) };
  addBias(writer, layer, "MatMulBnb4", [layer.input, ...constants], attributes, MICROSOFT);
}
