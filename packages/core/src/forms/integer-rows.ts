import { int, isOp, type Node, Tensor } from "../graph/index.js";
import { blockIntegers } from "./block-integers.js";
import { rowIntegers } from "./dynamic-int8.js";
import { type FormWriter, MICROSOFT } from "./form-writer.js";

/** An embedding table: a Gather along axis 0 of a float32 matrix of constants. */
export interface EmbeddingTable {
  readonly node: Node;
  readonly table: string;
  readonly tensor: Tensor;
  readonly rows: number;
  readonly width: number;
}

/** Smaller tables stay as they are: two more nodes would cost what they save. */
const MIN_VALUES = 16_384;

export function embeddingTableOf(writer: FormWriter, node: Node): EmbeddingTable | undefined {
  if (!isOp(node, "Gather")) return undefined;
  const axis = node.attributes.get("axis");
  const table = node.inputs[0]!;
  const tensor = writer.graph.initializers.get(table);
  if (tensor?.dtype !== "float32" || tensor.dims.length !== 2 || tensor.size < MIN_VALUES) return undefined;
  if (axis !== undefined && !(axis.type === "int" && (axis.value === 0 || axis.value === -2))) return undefined;
  return { node, table, tensor, rows: tensor.dims[0]!, width: tensor.dims[1]! };
}

/** Rows of 8 bits with one scale each: Gather(integers) → Cast → Mul(Gather(scales)). Standard operators, no kernel of their own. */
export function writeInt8Rows(writer: FormWriter, { node, table, tensor, rows, width }: EmbeddingTable): void {
  const constants = writer.once(`rows8 ${table}`, () => {
    const data = tensor.array() as Float32Array;
    const { integers, scales } = rowIntegers({ outputs: rows, inputs: width, data }, "per-channel");
    return {
      integers: writer.constant(Tensor.of("int8", [rows, width], integers), `${table}_quantized`),
      scales: writer.constant(Tensor.float32([rows, 1], scales), `${table}_scale`),
    };
  });
  const indices = node.inputs[1]!;
  const integers = writer.node("Gather", [constants.integers, indices]);
  const scales = writer.node("Gather", [constants.scales, indices]);
  const real = writer.node("Cast", [integers], { to: int(1) });
  writer.replace(node, "Mul", [real, scales]);
}

/**
 * Rows of 4 bits in blocks: GatherBlockQuantized (domain com.microsoft), whose integers are uint8 with two to a byte, the first in the low
 * half. `width` weights share a scale.
 */
export function writeInt4Rows(
  writer: FormWriter,
  { node, table, tensor, rows, width: inputs }: EmbeddingTable,
  width: number,
): void {
  const constants = writer.once(`rows4 ${table} ${width}`, () => {
    const data = tensor.array() as Float32Array;
    const blocks = blockIntegers({ outputs: rows, inputs, data }, { bits: 4, width, symmetric: true });
    const packed = new Uint8Array(blocks.integers.length / 2);
    for (let i = 0; i < packed.length; i++) packed[i] = blocks.integers[2 * i]! | (blocks.integers[2 * i + 1]! << 4);
    return [
      writer.constant(Tensor.of("uint8", [rows, inputs / 2], packed), `${table}_q4`),
      writer.constant(Tensor.float32([rows, blocks.blocks], blocks.scales), `${table}_scales`),
    ];
  });
  const [integers, scales] = constants as [string, string];
  const attributes = { bits: int(4), block_size: int(width), gather_axis: int(0), quantize_axis: int(1) };
  writer.replace(node, "GatherBlockQuantized", [integers, node.inputs[1]!, scales], attributes, MICROSOFT);
}
