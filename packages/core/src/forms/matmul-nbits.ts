import { int, Tensor } from "../graph/index.js";
import type { LinearLayer } from "../operators/index.js";
import { addBias } from "./add-bias.js";
import type { BlockIntegers } from "./block-integers.js";
import { type FormWriter, MICROSOFT } from "./form-writer.js";
import { rowsKey } from "./output-rows.js";

/**
 * A layer as MatMulNBits (domain com.microsoft): B [N, blocks, width · bits / 8], the first of two 4-bit integers in the low half of a byte,
 * the last block filled up; scales [N · blocks]; zero points, where they are not 2^(bits − 1), packed like B, every row whole bytes.
 * `accuracyLevel` 4 lets the kernel round its input to 8 bits, block by block; 0 computes in float.
 */
export function writeMatMulNBits(
  writer: FormWriter,
  layer: LinearLayer,
  blocks: BlockIntegers,
  accuracyLevel: 0 | 4 = 0,
): void {
  const key = `nbits ${rowsKey(layer)} ${blocks.bits} ${blocks.width} ${blocks.symmetric}`;
  const constants = writer.once(key, () => {
    const names = [
      writer.constant(packedBlocks(blocks), `${layer.weight}_q${blocks.bits}`),
      writer.constant(Tensor.float32([blocks.scales.length], blocks.scales), `${layer.weight}_scales`),
    ];
    if (!blocks.symmetric) names.push(writer.constant(packedZeroPoints(blocks), `${layer.weight}_zero_points`));
    return names;
  });
  const attributes = {
    K: int(blocks.inputs),
    N: int(blocks.outputs),
    bits: int(blocks.bits),
    block_size: int(blocks.width),
    ...(accuracyLevel > 0 && { accuracy_level: int(accuracyLevel) }),
  };
  addBias(writer, layer, "MatMulNBits", [layer.input, ...constants], attributes, MICROSOFT);
}

function packedBlocks({ bits, width, outputs, inputs, blocks, integers, zeroPoints }: BlockIntegers): Tensor {
  const blob = (width * bits) / 8;
  const bytes = new Uint8Array(outputs * blocks * blob);
  for (let row = 0; row < outputs; row++) {
    for (let column = 0; column < blocks * width; column++) {
      const block = row * blocks + Math.floor(column / width);
      // What fills up the last block is 0 as a number.
      const value = column < inputs ? integers[row * inputs + column]! : zeroPoints[block]!;
      const at = row * blocks * width + column;
      if (bits === 8) bytes[at] = value;
      else bytes[at >> 1]! |= value << ((at & 1) << 2);
    }
  }
  return Tensor.of("uint8", [outputs, blocks, blob], bytes);
}

function packedZeroPoints({ bits, outputs, blocks, zeroPoints }: BlockIntegers): Tensor {
  if (bits === 8) return Tensor.of("uint8", [zeroPoints.length], zeroPoints);
  const rowBytes = Math.ceil(blocks / 2);
  const bytes = new Uint8Array(outputs * rowBytes);
  for (let row = 0; row < outputs; row++) {
    for (let block = 0; block < blocks; block++) {
      bytes[row * rowBytes + (block >> 1)]! |= zeroPoints[row * blocks + block]! << ((block & 1) << 2);
    }
  }
  return Tensor.of("uint8", [bytes.length], bytes);
}
