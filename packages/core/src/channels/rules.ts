import { attributeOf } from "../graph/index.js";
import { axisOf, padAmounts, permutationOf } from "../operators/attributes.js";
import { ATTENTION_RULES } from "./attention-rules.js";
import { matrixProduct, normalizedGroups, normalizedLast } from "./norm-rules.js";
import type { ChannelRule, RulePairs, RuleResult } from "./rule.js";
import {
  type ChannelPairs,
  type ChannelSpace,
  channelAt,
  defaultSpace,
  identityPairs,
  pairsBy,
  reshapeSpace,
  sameAxes,
  spaceOf,
} from "./space.js";

const one = (space: ChannelSpace, pairs: ChannelPairs): RuleResult => ({
  spaces: [space],
  pairs: [{ input: 0, output: 0, ...pairs }],
});

/** Elements in, elements out at the same place; smaller inputs are repeated as ONNX broadcasting does. */
const elementwise: ChannelRule = ({ node, activations, dims, space }) => {
  const output = dims(node.outputs[0]!);
  // Axes of an input, counted from the right, are axes of the output.
  const shifted = activations.map((value) => {
    const shift = output.length - dims(value).length;
    return space(value).axes.map((axis) => axis + shift);
  });
  const axes = shifted.find((candidate) => candidate.length > 0) ?? defaultSpace(output).axes;
  if (shifted.some((candidate) => candidate.length > 0 && !sameAxes(candidate, axes))) {
    return { reason: "its inputs count channels along different axes" };
  }
  const pairs = activations.map((value, input) => {
    const own = dims(value);
    const shift = output.length - own.length;
    const source = (index: readonly number[]) =>
      axes.reduce((channel, axis, k) => {
        const size = own[axis - shift] ?? 1;
        return channel * size + (size === 1 ? 0 : index[k]!);
      }, 0);
    return { input, output: 0, ...pairsBy(output, axes, source) };
  });
  return { spaces: [spaceOf(output, axes)], pairs };
};

/** Works within each channel over space: pools and normalisations of channels-first values. */
const withinChannels: ChannelRule = ({ node, activations, dims, space }) => {
  const input = space(activations[0]!);
  const output = dims(node.outputs[0]!);
  if (!sameAxes(input.axes, [1])) return { reason: "it counts channels along axis 1, its input does not" };
  return one(spaceOf(output, [1]), identityPairs(input.count));
};

/** Changes sizes along some axes: channels must lie along others. */
const resampled: ChannelRule = ({ node, activations, dims, space }) => {
  const { axes, count } = space(activations[0]!);
  const before = dims(activations[0]!);
  const after = dims(node.outputs[0]!);
  if (axes.some((axis) => before[axis] !== after[axis])) return { reason: "it changes the number of channels" };
  return one(spaceOf(after, axes), identityPairs(count));
};

const reshaped: ChannelRule = ({ node, activations, dims, space }) => {
  const after = dims(node.outputs[0]!);
  const { space: result, pairs } = reshapeSpace(dims(activations[0]!), space(activations[0]!).axes, after);
  if (after.length > 1 && result.axes.includes(0)) return { reason: "it moves channels into the batch axis" };
  return one(result, pairs);
};

const transposed: ChannelRule = ({ node, activations, dims, space }) => {
  const before = dims(activations[0]!);
  const after = dims(node.outputs[0]!);
  const perm = permutationOf(node, before.length)!;
  const { axes } = space(activations[0]!);
  const moved = after.flatMap((_, axis) => (axes.includes(perm[axis]!) ? axis : []));
  const source = (index: readonly number[]) =>
    channelAt(
      before,
      axes,
      axes.map((axis) => index[moved.indexOf(perm.indexOf(axis))]!),
    );
  return one(spaceOf(after, moved), pairsBy(after, moved, source));
};

/** Pairs where the index along some channel axes changes: `move` maps the index in the result to the one in the input. */
function movedAlong(
  before: readonly number[],
  after: readonly number[],
  axes: readonly number[],
  move: (axis: number, index: number) => number,
): ChannelPairs {
  return pairsBy(after, axes, (index) => {
    const origin = index.map((at, k) => move(axes[k]!, at));
    if (origin.some((at, k) => at < 0 || at >= before[axes[k]!]!)) return -1;
    return channelAt(before, axes, origin);
  });
}

const sliced: ChannelRule = (view) => {
  const { node, activations, dims, space } = view;
  const before = dims(activations[0]!);
  const after = dims(node.outputs[0]!);
  const list = (name: string, position: number) =>
    node.inputs.length > 1 || (node.inputs[position] ?? "") !== ""
      ? view.constant(position)?.numbers()
      : attributeOf(node, name, "ints", undefined);
  const starts = list("starts", 1);
  if (!starts) return { reason: "its starts are computed, not constant" };
  if ((node.inputs[3] ?? "") !== "" && !view.constant(3)) return { reason: "its axes are computed, not constant" };
  if ((node.inputs[4] ?? "") !== "" && !view.constant(4)) return { reason: "its steps are computed, not constant" };
  const axes = list("axes", 3) ?? starts.map((_, axis) => axis);
  const steps = list("steps", 4) ?? starts.map(() => 1);
  const along = new Map(
    axes.map((axis, k) => {
      const positive = axis < 0 ? axis + before.length : axis;
      const size = before[positive]!;
      const step = steps[k]!;
      const start = starts[k]! < 0 ? starts[k]! + size : starts[k]!;
      return [positive, { start: Math.min(Math.max(start, 0), step < 0 ? size - 1 : size), step }] as const;
    }),
  );
  const { axes: channels } = space(activations[0]!);
  const move = (axis: number, index: number) => {
    const slice = along.get(axis);
    return slice ? slice.start + slice.step * index : index;
  };
  return one(spaceOf(after, channels), movedAlong(before, after, channels, move));
};

const split: ChannelRule = ({ node, activations, dims, space }) => {
  const before = dims(activations[0]!);
  const axis = axisOf(node, before.length, 0);
  const { axes } = space(activations[0]!);
  const spaces: ChannelSpace[] = [];
  const pairs: RulePairs[] = [];
  let offset = 0;
  node.outputs.filter(Boolean).forEach((value, output) => {
    const after = dims(value);
    const start = offset;
    spaces.push(spaceOf(after, axes));
    const moved = movedAlong(before, after, axes, (along, index) => (along === axis ? index + start : index));
    pairs.push({ input: 0, output, ...moved });
    offset += after[axis]!;
  });
  return { spaces, pairs };
};

const concatenated: ChannelRule = (view) => {
  const { node, activations, dims, space } = view;
  const after = dims(node.outputs[0]!);
  const axis = axisOf(node, after.length, 0);
  const { axes } = space(activations[0]!);
  if (activations.some((value) => !sameAxes(space(value).axes, axes))) {
    return { reason: "its inputs count channels along different axes" };
  }
  const pairs: RulePairs[] = [];
  let offset = 0;
  node.inputs.forEach((value, position) => {
    const size = (view.constant(position)?.dims ?? dims(value))[axis]!;
    const input = activations.indexOf(value);
    const start = offset;
    offset += size;
    // A value may stand in a Concat twice; every position makes its own channels.
    if (input < 0) return;
    const before = dims(value);
    const moved = movedAlong(before, after, axes, (along, index) => (along === axis ? index - start : index));
    pairs.push({ input, output: 0, ...moved });
  });
  return { spaces: [spaceOf(after, axes)], pairs };
};

/** Channels added by padding come from none. */
const padded: ChannelRule = (view) => {
  const { node, activations, dims, space } = view;
  const before = dims(activations[0]!);
  const after = dims(node.outputs[0]!);
  const amounts = padAmounts(node, () => view.constant(1));
  const { axes: channels } = space(activations[0]!);
  if (!amounts) return { reason: "its amounts are computed, not constant" };
  const along = view.constant(3)?.numbers() ?? before.map((_, axis) => axis);
  const begin = new Map(along.map((axis, k) => [positiveAxis(axis, before), amounts[k]!]));
  const mode = attributeOf(node, "mode", "string", "constant");
  if (mode !== "constant" && channels.some((axis) => before[axis] !== after[axis])) {
    return { reason: `it pads channels by ${mode}` };
  }
  const move = (axis: number, index: number) => index - (begin.get(axis) ?? 0);
  return one(spaceOf(after, channels), movedAlong(before, after, channels, move));
};

const tiled: ChannelRule = ({ node, activations, dims, space }) => {
  const before = dims(activations[0]!);
  const after = dims(node.outputs[0]!);
  const { axes } = space(activations[0]!);
  return one(
    spaceOf(after, axes),
    movedAlong(before, after, axes, (axis, index) => index % before[axis]!),
  );
};

const gathered: ChannelRule = (view) => {
  const { node, activations, dims, space } = view;
  const before = dims(activations[0]!);
  const after = dims(node.outputs[0]!);
  const axis = axisOf(node, before.length, 0);
  const { axes } = space(activations[0]!);
  const indices = view.constant(1);
  const shift = after.length - before.length;
  if (!axes.includes(axis)) {
    const moved = axes.map((channel) => (channel > axis ? channel + shift : channel));
    return one(spaceOf(after, moved), identityPairs(space(activations[0]!).count));
  }
  if (indices?.dims.length !== 1) return { reason: "it picks channels by computed indices" };
  const picked = indices.numbers().map((at) => (at < 0 ? at + before[axis]! : at));
  const move = (along: number, index: number) => (along === axis ? (picked[index] ?? -1) : index);
  return one(spaceOf(after, axes), movedAlong(before, after, axes, move));
};

const reduced: ChannelRule = (view) => {
  const { node, activations, dims, space } = view;
  const before = dims(activations[0]!);
  const after = dims(node.outputs[0]!);
  const { axes: channels, count } = space(activations[0]!);
  if ((node.inputs[1] ?? "") !== "" && !view.constant(1)) return { reason: "its axes are computed, not constant" };
  const given = view.constant(1)?.numbers() ?? attributeOf(node, "axes", "ints", undefined);
  const nothing = attributeOf(node, "noop_with_empty_axes", "int", 0) !== 0;
  const every = nothing ? [] : before.map((_, axis) => axis);
  const axes = given && given.length > 0 ? given.map((axis) => positiveAxis(axis, before)) : every;
  if (channels.some((axis) => axes.includes(axis))) return { reason: "it reduces over channels" };
  const keeps = attributeOf(node, "keepdims", "int", 1) !== 0;
  const moved = channels.map((axis) => (keeps ? axis : axis - axes.filter((gone) => gone < axis).length));
  return one(spaceOf(after, moved), identityPairs(count));
};

/** DepthToSpace and SpaceToDepth on [N, C, H, W]: one channel of the deep value for every place in a block. */
const blocks: ChannelRule = ({ node, activations, dims, space }) => {
  const size = attributeOf(node, "blocksize", "int", 1);
  const input = space(activations[0]!);
  const after = dims(node.outputs[0]!);
  if (!sameAxes(input.axes, [1])) return { reason: "it counts channels along axis 1, its input does not" };
  const toSpace = node.opType === "DepthToSpace";
  const columnsFirst = toSpace && attributeOf(node, "mode", "string", "DCR") === "CRD";
  const shallow = toSpace ? after[1]! : input.count;
  const from: number[] = [];
  const to: number[] = [];
  for (let channel = 0; channel < shallow; channel++) {
    for (let place = 0; place < size * size; place++) {
      const deep = columnsFirst ? channel * size * size + place : place * shallow + channel;
      from.push(toSpace ? deep : channel);
      to.push(toSpace ? channel : deep);
    }
  }
  return one(spaceOf(after, [1]), { from: Int32Array.from(from), to: Int32Array.from(to) });
};

function positiveAxis(axis: number, dims: readonly number[]): number {
  return axis < 0 ? axis + dims.length : axis;
}

/** ONNX Runtime's own. */
const RUNTIME_NORMS = [
  "com.microsoft:SimplifiedLayerNormalization",
  "com.microsoft:SkipLayerNormalization",
  "com.microsoft:SkipSimplifiedLayerNormalization",
];

const table = (rule: ChannelRule, ...opTypes: string[]) => opTypes.map((opType) => [opType, rule] as const);

/**
 * How channels pass through every operator that keeps them apart. Nothing here says what the operator computes:
 * scaling asks scale-classes.ts whether a factor passes, channel removal only needs these pairs.
 * Linear layers are not in it: they end one set of channels and begin another.
 */
export const CHANNEL_RULES: ReadonlyMap<string, ChannelRule> = new Map([
  ...table(elementwise, "Relu", "LeakyRelu", "PRelu", "Clip", "Identity", "Dropout", "Abs", "Neg", "Cast", "Expand"),
  ...table(elementwise, "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Elu", "Selu", "Celu", "Gelu", "Mish", "Swish"),
  ...table(elementwise, "Softplus", "Softsign", "ThresholdedRelu", "Erf", "Exp", "Log", "Sqrt", "Reciprocal", "Sign"),
  ...table(elementwise, "Floor", "Ceil", "Round", "Sin", "Cos", "Add", "Sub", "Mul", "Div", "Sum", "Mean", "Max"),
  ...table(elementwise, "Min", "Pow"),
  ...table(withinChannels, "MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"),
  ...table(withinChannels, "BatchNormalization", "InstanceNormalization"),
  ...table(normalizedLast, "LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization"),
  ...table(normalizedLast, ...RUNTIME_NORMS),
  ...table(normalizedGroups, "GroupNormalization"),
  ...table(matrixProduct, "MatMul"),
  ...ATTENTION_RULES,
  ...table(resampled, "Resize", "Upsample"),
  ...table(reshaped, "Reshape", "Flatten", "Squeeze", "Unsqueeze"),
  ...table(transposed, "Transpose"),
  ...table(sliced, "Slice"),
  ...table(split, "Split"),
  ...table(concatenated, "Concat"),
  ...table(padded, "Pad"),
  ...table(tiled, "Tile"),
  ...table(gathered, "Gather"),
  ...table(reduced, "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare"),
  ...table(blocks, "DepthToSpace", "SpaceToDepth"),
]);

/** Gates that are one operator; the last two are ONNX Runtime's own. */
export const GATE_OPERATORS: ReadonlySet<string> = new Set([
  "HardSwish",
  "Swish",
  "Gelu",
  "Mish",
  "QuickGelu",
  "FastGelu",
]);

/** Elementwise operators that gates are written out in. */
export const GATE_PARTS: ReadonlySet<string> = new Set([
  ...["Sigmoid", "HardSigmoid", "Tanh", "Softplus", "Softsign", "Erf", "Exp", "Sqrt", "Reciprocal", "Pow"],
  ...["Add", "Sub", "Mul", "Div", "Max", "Min", "Clip", "Relu", "Neg", "Abs", "Identity"],
]);
