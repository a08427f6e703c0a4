import { int, Tensor } from "../graph/index.js";
import { packInt4 } from "../math/index.js";
import type { LinearLayer } from "../operators/index.js";
import { addBias } from "./add-bias.js";
import type { BlockIntegers } from "./block-integers.js";
import type { FormWriter } from "./form-writer.js";
import { rowsKey, transposedMatrix } from "./output-rows.js";

/** From this version on DequantizeLinear has blocks and 4-bit integers. */
export const BLOCK_DEQUANTIZE_OPSET = 21;

/**
 * A layer with the standard operators of opset 21: DequantizeLinear with `block_size` along the inputs makes the weights [K, N] that a MatMul
 * reads; ONNX Runtime makes a MatMulNBits of the two. Rows whose length is no multiple of the width are not possible here.
 */
export function writeBlockDequantize(writer: FormWriter, layer: LinearLayer, blocks: BlockIntegers): void {
  const { bits, width, inputs, outputs } = blocks;
  const weight = writer.once(`dequantize ${rowsKey(layer)} ${bits} ${width}`, () => {
    const dtype = bits === 4 ? "uint4" : "uint8";
    const integers = transposedMatrix(blocks.integers, outputs, inputs);
    const zeroPoints = transposedMatrix(blocks.zeroPoints, outputs, blocks.blocks);
    const tensor = (dims: readonly number[], values: Uint8Array) =>
      new Tensor(dtype, dims, bits === 4 ? packInt4(values) : values);
    const scaleDims = [blocks.blocks, outputs];
    const names = [
      writer.constant(tensor([inputs, outputs], integers), `${layer.weight}_q${bits}`),
      writer.constant(
        Tensor.float32(scaleDims, transposedMatrix(blocks.scales, outputs, blocks.blocks)),
        `${layer.weight}_scales`,
      ),
      writer.constant(tensor(scaleDims, zeroPoints), `${layer.weight}_zero_points`),
    ];
    return writer.node("DequantizeLinear", names, { axis: int(0), block_size: int(width) });
  });
  addBias(writer, layer, "MatMul", [layer.input, weight]);
}
