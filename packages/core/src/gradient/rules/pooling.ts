import { attributeOf, int, ints, type Node, sizeOf, Tensor } from "../../graph/index.js";
import { type GradientContext, type GradientRule, unsupported } from "../context.js";
import { extent, type Geometry, geometryOf } from "../conv-geometry.js";
import { convInputGradient } from "./conv-input.js";
import { scatterFlat } from "./scatter.js";

/**
 * MaxPool: the gradient goes to the first maximum of each window, in storage order (as PyTorch). Milliseconds on
 * 128×8×28×28, kernel 2, stride 2, forward and backward, fastest of 25, ONNX Runtime 1.31, 2 threads: indices and
 * MaxUnpool 4.3; indices and ScatterElements 5.6; SpaceToDepth, ArgMax, OneHot 8.4; comparison in six dimensions 14 (and
 * it shares ties). The pool that returns indices takes 3.8 of that, the plain one 0.7, which is why pairs are compared
 * instead: against MaxUnpool in turns, medians of 60 on a busier machine, 5.4 to 6.1, 8.2 to 10.7 and 5.6 to 8.8.
 */
const maxPool: GradientRule = (node, [dy], c) => {
  const x = node.inputs[0]!;
  const y = node.outputs[0]!;
  const kernel = attributeOf(node, "kernel_shape", "ints", []);
  if (attributeOf(node, "storage_order", "int", 0) !== 0) unsupported(node, "storage_order 1");
  const dims = c.dims(x);
  const [height = -1, width = -1] = dims?.slice(2) ?? [];
  const ceil = attributeOf(node, "ceil_mode", "int", 0) !== 0;
  const geometry = geometryOf(node, kernel, c);
  const plain = [...geometry.padBegin, ...geometry.padEnd].every((pad) => pad === 0) && !ceil;
  const dense = geometry.dilations.every((dilation) => dilation === 1);
  const tiles = dense && kernel.every((size, axis) => geometry.strides[axis]! >= size);
  const isPairs = kernel.length === 2 && kernel.every((size, axis) => size === 2 && geometry.strides[axis] === 2);
  if (isPairs && plain && dense && height > 0 && width > 0 && height % 2 === 0 && width % 2 === 0) {
    return [maxPoolOfPairs(x, y, dy!, width / 2, c)];
  }
  const indices = indicesOf(node, c);
  if (tiles && plain && c.dtype(x) === "float32") {
    const attributes = { kernel_shape: ints(kernel), strides: ints(geometry.strides) };
    return [c.op("MaxUnpool", [dy!, indices, c.shape(x)], attributes)];
  }
  return [scatterFlat(dy!, indices, x, !tiles, c)];
};

/** Kernel 2×2, stride 2, even sizes: which of two neighbours is larger, columns first, then rows, by whole-tensor operators. */
function maxPoolOfPairs(x: string, y: string, dy: string, width: number, c: GradientContext): string {
  const pairs = c.op("Reshape", [x, c.int64([-1, 2])]);
  const columns = c.op("Transpose", [pairs], { perm: ints([1, 0]) });
  const [left, right] = c.ops("Split", [columns], splitAttributes(c), 2) as [string, string];
  const row = c.int64([-1, 2 * width]);
  const wider = c.op("Reshape", [c.op("Max", [left, right]), row]);
  const upper = c.op("Slice", [wider, c.int64([0]), c.int64([width]), c.int64([1])]);
  const dyRows = c.op("Reshape", [dy, c.int64([-1, width])]);
  const takesUpper = c.op("Equal", [upper, c.op("Reshape", [y, c.int64([-1, width])])]);
  const dyUpper = c.op("Mul", [dyRows, c.cast(takesUpper, x)]);
  const both = c.op("Concat", [dyUpper, c.op("Sub", [dyRows, dyUpper])], { axis: int(1) });
  const dyWider = c.op("Reshape", [both, c.int64([1, -1])]);
  const takesLeft = c.op("Equal", [left, c.op("Reshape", [wider, c.int64([1, -1])])]);
  const dyLeft = c.op("Mul", [dyWider, c.cast(takesLeft, x)]);
  const columnsBack = c.op("Concat", [dyLeft, c.op("Sub", [dyWider, dyLeft])], { axis: int(0) });
  return c.reshapeLike(c.op("Transpose", [columnsBack], { perm: ints([1, 0]) }), x);
}

/** From opset 18 on Split must say how many parts it makes. */
function splitAttributes(c: GradientContext) {
  return { axis: int(0), ...(c.opset >= 18 && { num_outputs: int(2) }) };
}

/** The second output of a MaxPool, added where the model does not have it. */
function indicesOf(node: Node, c: GradientContext): string {
  if (!node.outputs[1]) node.outputs[1] = c.newValue(`${node.outputs[0]}/indices`);
  return node.outputs[1];
}

/** Each output hands an equal share to the elements it averaged. */
const averagePool: GradientRule = (node, [dy], c) => {
  const x = node.inputs[0]!;
  const y = node.outputs[0]!;
  const kernel = attributeOf(node, "kernel_shape", "ints", []);
  const geometry = geometryOf(node, kernel, c);
  const ceil = attributeOf(node, "ceil_mode", "int", 0) !== 0;
  const includePad = attributeOf(node, "count_include_pad", "int", 0) !== 0;
  const padded = [...geometry.padBegin, ...geometry.padEnd].some((pad) => pad !== 0);
  if (!ceil && (includePad || !padded)) {
    const share = c.op("Mul", [dy!, c.scalar(1 / sizeOf(kernel), x)]);
    return [windowSum(share, x, y, geometry, c)];
  }
  const inSizes = c.fixedDims(x, 2);
  const outSizes = c.fixedDims(y, 2);
  if (!inSizes || !outSizes) {
    unsupported(node, "padding or ceil_mode with unknown sizes", "pass shapes: observeBatchShapes(runner, model)");
  }
  const counts = outSizes.map((size, axis) => windowCounts(geometry, axis, inSizes[axis]!, size, includePad));
  const shape = (axis: number) => outSizes.map((size, other) => (other === axis ? size : 1));
  const divided = counts.reduce(
    (value, count, axis) => c.op("Div", [value, c.constant(Tensor.float32([1, 1, ...shape(axis)], count))]),
    dy!,
  );
  // The last window of ceil_mode reaches further than the declared padding.
  const covered = extent(geometry);
  const padEnd = geometry.padEnd.map((pad, axis) => {
    const reach = (outSizes[axis]! - 1) * geometry.strides[axis]! + covered[axis]!;
    return Math.max(pad, reach - inSizes[axis]! - geometry.padBegin[axis]!);
  });
  return [windowSum(divided, x, y, { ...geometry, padEnd }, c)];
};

/** How many elements each window counts on one axis; what lies beyond the declared padding never counts. */
function windowCounts(g: Geometry, axis: number, size: number, outSize: number, includePad: boolean): number[] {
  const first = includePad ? -g.padBegin[axis]! : 0;
  const end = includePad ? size + g.padEnd[axis]! : size;
  return Array.from({ length: outSize }, (_, out) => {
    let count = 0;
    for (let k = 0; k < g.kernel[axis]!; k++) {
      const position = out * g.strides[axis]! - g.padBegin[axis]! + k * g.dilations[axis]!;
      if (position >= first && position < end) count++;
    }
    return count;
  });
}

/** Every element of x gets the sum of `share` over the windows it lies in: a transposed convolution with ones, channel by channel. */
function windowSum(share: string, x: string, y: string, geometry: Geometry, c: GradientContext): string {
  const { kernel } = geometry;
  const ones = c.constant(Tensor.float32([1, 1, ...kernel], new Float32Array(sizeOf(kernel)).fill(1)));
  const sizes = c.fixedDims(y, 2);
  const tail = c.op("Slice", [c.shape(y), c.int64([2]), c.int64([2 + kernel.length])]);
  const shape = sizes ? c.int64([-1, 1, ...sizes]) : c.op("Concat", [c.int64([-1, 1]), tail], { axis: int(0) });
  const maps = c.op("Reshape", [share, shape]);
  return c.reshapeLike(convInputGradient(maps, ones, [1, 1, ...kernel], x, y, geometry, c), x);
}

const spatialAxes = (dims: readonly number[]) => dims.slice(2).map((_, axis) => axis + 2);

const globalAveragePool: GradientRule = (node, [dy], c) => {
  const x = node.inputs[0]!;
  const dims = c.knownDims(x, node);
  const share = c.op("Div", [dy!, c.count(x, spatialAxes(dims), x)]);
  return [c.op("Expand", [share, c.shape(x)])];
};

/** The first maximum of every channel takes all. */
const globalMaxPool: GradientRule = (node, [dy], c) => {
  const x = node.inputs[0]!;
  const sizes = c.fixedDims(x, 2) ?? unsupported(node, "an input of unknown size");
  const area = sizeOf(sizes);
  const maps = c.op("Reshape", [x, c.int64([0, 0, area])]);
  const first = c.op("ArgMax", [maps], { axis: int(2), keepdims: int(0) });
  const values = c.constant(Tensor.float32([2], [0, 1]));
  const hot = c.op("OneHot", [first, c.int64([area]), values], { axis: int(2) });
  const spread = c.op("Mul", [hot, c.op("Reshape", [dy!, c.int64([0, 0, 1])])]);
  return [c.reshapeLike(spread, x)];
};

export const POOLING_RULES: Record<string, GradientRule> = {
  MaxPool: maxPool,
  AveragePool: averagePool,
  GlobalAveragePool: globalAveragePool,
  GlobalMaxPool: globalMaxPool,
};
