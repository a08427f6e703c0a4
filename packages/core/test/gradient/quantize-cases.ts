import { int, Tensor } from "../../src/index.js";
import type { GradientCase } from "./case.js";

/** Quantize and dequantize: a staircase, whose straight-through gradient no central difference shows. PyTorch has figures. */
export const QUANTIZE_CASES: GradientCase[] = [
  {
    name: "fake quantize",
    inputs: [[[3, 8], -1, 3]],
    build: (b, [x]) => {
      const parameters = [b.constant(1 / 128), b.constant(Tensor.of("uint8", [], Uint8Array.of(3)))];
      return b.node("DequantizeLinear", [b.node("QuantizeLinear", [x!, ...parameters]), ...parameters]);
    },
    naive: ([x]) => x!,
  },
  {
    name: "fake quantize channels",
    inputs: [[[2, 3, 4], -3, 3]],
    build: (b, [x]) => {
      const parameters = [
        b.constant(Tensor.float32([3], [1 / 128, 1 / 64, 1 / 32])),
        b.constant(Tensor.of("int8", [3], Int8Array.of(0, 4, -9))),
      ];
      const axis = { axis: int(1) };
      return b.node("DequantizeLinear", [b.node("QuantizeLinear", [x!, ...parameters], axis), ...parameters], axis);
    },
    naive: ([x]) => x!,
  },
];
