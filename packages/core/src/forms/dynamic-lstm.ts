import { attributeOf, isOp, type Node, Tensor } from "../graph/index.js";
import { rowIntegers, storedIntegers } from "./dynamic-int8.js";
import { type FormWriter, MICROSOFT } from "./form-writer.js";
import { transposedMatrix } from "./output-rows.js";

/** An LSTM whose weights W [directions, 4·hidden, input] and R [directions, 4·hidden, hidden] are float32 constants. */
export interface RecurrentLayer {
  readonly node: Node;
  readonly weights: readonly Tensor[];
}

export function recurrentLayerOf(writer: FormWriter, node: Node): RecurrentLayer | undefined {
  if (!isOp(node, "LSTM") || attributeOf(node, "layout", "int", 0) !== 0) return undefined;
  const weights = node.inputs.slice(1, 3).flatMap((name) => writer.graph.initializers.get(name) ?? []);
  if (weights.length !== 2 || weights.some(({ dtype, dims }) => dtype !== "float32" || dims.length !== 3))
    return undefined;
  return { node, weights };
}

/**
 * An LSTM as DynamicQuantizeLSTM (domain com.microsoft): weights as 8-bit integers [directions, inputs, 4·hidden] with one scale an output of every
 * gate; its inputs and states are rounded to 8 bits step by step.
 */
export function writeDynamicLstm(writer: FormWriter, { node, weights }: RecurrentLayer): void {
  const quantized = weights.map((tensor, at) => quantizedStack(writer, tensor, node.inputs[at + 1]!));
  const [w, r] = quantized as [Stack, Stack];
  const inputs = [node.inputs[0]!, w.integers, r.integers, ...node.inputs.slice(3, 8)];
  while (inputs.length < 8) inputs.push("");
  inputs.push(w.scale, w.zeroPoint, r.scale, r.zeroPoint);
  const attributes = Object.fromEntries([...node.attributes].filter(([name]) => name !== "layout"));
  writer.replace(node, "DynamicQuantizeLSTM", inputs, attributes, MICROSOFT);
}

interface Stack {
  readonly integers: string;
  readonly scale: string;
  readonly zeroPoint: string;
}

function quantizedStack(writer: FormWriter, tensor: Tensor, name: string): Stack {
  const [directions, outputs, inputs] = tensor.dims as [number, number, number];
  const values = tensor.array() as Float32Array;
  const size = outputs * inputs;
  const integers = new Int8Array(directions * size);
  const scales = new Float32Array(directions * outputs);
  for (let direction = 0; direction < directions; direction++) {
    const data = values.subarray(direction * size, (direction + 1) * size);
    const rows = rowIntegers({ outputs, inputs, data }, "per-channel");
    integers.set(transposedMatrix(rows.integers, outputs, inputs), direction * size);
    scales.set(rows.scales, direction * outputs);
  }
  // Kernels add products of uint8 exactly everywhere, those of int8 not.
  const zeroPoints = new Uint8Array(directions * outputs).fill(128);
  return {
    integers: writer.constant(storedIntegers(integers, [directions, inputs, outputs], "uint8"), `${name}_quantized`),
    scale: writer.constant(Tensor.float32([directions, outputs], scales), `${name}_scale`),
    zeroPoint: writer.constant(Tensor.of("uint8", [directions, outputs], zeroPoints), `${name}_zero_point`),
  };
}
