import { int, ints, string, Tensor } from "../../src/lab.js";
import type { GradientCase } from "./case.js";

/**
 * Cases for which PyTorch has figures and we have no naive forward pass: quantize and dequantize, a staircase whose
 * straight-through gradient no central difference shows, and cubic interpolation. `naive` only gives the shape.
 */
export const PYTORCH_CASES: GradientCase[] = [
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
  {
    name: "Resize cubic",
    inputs: [[[2, 2, 4, 3], -1, 1]],
    build: (b, [x]) =>
      b.node("Resize", [x!, "", b.constant(Tensor.float32([4], [1, 1, 2, 3]))], { mode: string("cubic") }),
    naive: ([x]) => ({ dims: [2, 2, 8, 9], data: new Float64Array(x!.data.length * 6) }),
  },
  {
    // Sizes instead of scales, and an axis list.
    name: "Resize sizes",
    inputs: [[[2, 2, 4, 3], -1, 1]],
    opset: 18,
    build: (b, [x]) =>
      b.node("Resize", [x!, "", "", b.constant(Tensor.int64([2], [7, 5]))], {
        mode: string("linear"),
        axes: ints([2, 3]),
      }),
    naive: () => ({ dims: [2, 2, 7, 5], data: new Float64Array(140) }),
  },
];
