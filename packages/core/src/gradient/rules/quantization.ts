import { attributeOf, DTYPE_CODES, type DType, dtypeFromCode, int, type Node } from "../../graph/index.js";
import { type GradientContext, type GradientRule, unsupported } from "../context.js";

const RANGES: Partial<Record<DType, readonly [number, number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65535],
  int16: [-32768, 32767],
  uint4: [0, 15],
  int4: [-8, 7],
  int32: [-(2 ** 31), 2 ** 31 - 1],
};

/** Scale and zero point of a (De)QuantizeLinear as float values that broadcast against its input. */
function parameters(node: Node, c: GradientContext) {
  const [x, scale, zeroPoint = ""] = node.inputs as [string, string, string?];
  if (attributeOf(node, "block_size", "int", 0) !== 0) unsupported(node, "quantization by blocks");
  const perAxis = (c.dims(scale) ?? c.knownDims(scale, node)).length === 1 && c.dims(scale)![0] !== 1;
  const rank = perAxis ? c.knownDims(x, node).length : 0;
  const axis = (attributeOf(node, "axis", "int", 1) + rank) % (rank || 1);
  const aligned = (value: string) =>
    perAxis && rank - axis > 1
      ? c.op("Reshape", [value, c.int64([-1, ...Array<number>(rank - axis - 1).fill(1)])])
      : value;
  const zero = zeroPoint === "" ? undefined : aligned(c.op("Cast", [zeroPoint], { to: int(DTYPE_CODES.float32) }));
  /** Sums a gradient in the shape of x down to the shape of the scale. */
  const toScale = (value: string) => {
    const axes = perAxis ? Array.from({ length: rank }, (_, i) => i).filter((i) => i !== axis) : undefined;
    if (axes?.length === 0) return value;
    const sum = c.reduce("ReduceSum", value, axes, false);
    return perAxis ? sum : c.reshapeLike(sum, scale);
  };
  return { x, scale, step: aligned(scale), zero, toScale };
}

/**
 * Straight-through: rounding counts as the identity inside the integer range, dq/dx = 1/scale, and saturation as a
 * constant, dq/dx = 0 (Jacob et al. 2018). dq/dscale = −x/scale² inside, so that with DequantizeLinear's q − z the step
 * size learns as in Esser et al. 2020.
 */
const quantizeLinear: GradientRule = (node, [dq], c) => {
  const { x, scale, step, zero, toScale } = parameters(node, c);
  const zeroPoint = node.inputs[2] ?? "";
  const declared = dtypeFromCode(attributeOf(node, "output_dtype", "int", 0));
  const dtype = zeroPoint !== "" ? c.dtype(zeroPoint) : declared && declared !== "undefined" ? declared : "uint8";
  const range = RANGES[dtype] ?? unsupported(node, `quantization to ${dtype}`);
  const quotient = c.op("Div", [x, step]);
  const rounded = c.op("Round", [quotient]);
  const q = zero ? c.op("Add", [rounded, zero]) : rounded;
  const inside = c.op("And", [
    c.op("GreaterOrEqual", [q, c.scalar(range[0], x)]),
    c.op("LessOrEqual", [q, c.scalar(range[1], x)]),
  ]);
  const passed = c.op("Div", [c.op("Where", [inside, dq!, c.scalar(0, x)]), step]);
  const dScale = c.needs(scale) ? toScale(c.op("Neg", [c.op("Mul", [passed, quotient])])) : undefined;
  return [passed, dScale];
};

/** x = scale·(q − z): dx/dq = scale, dx/dscale = q − z. */
const dequantizeLinear: GradientRule = (node, [dx], c) => {
  const { x: q, scale, step, zero, toScale } = parameters(node, c);
  let dScale: string | undefined;
  if (c.needs(scale)) {
    const value = c.op("Cast", [q], { to: int(DTYPE_CODES.float32) });
    dScale = toScale(c.op("Mul", [dx!, zero ? c.op("Sub", [value, zero]) : value]));
  }
  return [c.needs(q) ? c.op("Mul", [dx!, step]) : undefined, dScale];
};

export const QUANTIZATION_RULES: Record<string, GradientRule> = {
  QuantizeLinear: quantizeLinear,
  DequantizeLinear: dequantizeLinear,
};
