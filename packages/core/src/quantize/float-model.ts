import { ModelError } from "../errors.js";
import { labelOf, type Model } from "../graph/index.js";

/** Operators of quantized models, standard and of ONNX Runtime. */
const QUANTIZED =
  /^(Dynamic)?Quantize|^DequantizeLinear$|^QLinear|^Q(Gemm|Attention)$|Integer(ToFloat)?$|^MatMulNBits$/;

/** @throws {ModelError} E4003 the model holds quantized operators: ranges of a float network are what is asked for. */
export function assertNotQuantized(model: Model): void {
  const quantized = model.graph.nodes.find(({ opType }) => QUANTIZED.test(opType));
  if (!quantized) return;
  throw new ModelError("E4003", `model: it is already quantized (node "${labelOf(quantized)}", ${quantized.opType})`, {
    node: labelOf(quantized),
    opType: quantized.opType,
    hint: "start from the float model",
  });
}
