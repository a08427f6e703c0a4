import { attributeOf, isOp } from "../graph/index.js";
import type { ChannelRule, RulePairs, RuleView } from "./rule.js";
import { defaultSpace, identityPairs, sameAxes, spaceOf } from "./space.js";

/** Normalises along the last axis: its result begins channels there, which come from none of the input's, for all are mixed. */
export const normalizedLast: ChannelRule = ({ node, dims }) => {
  const result = dims(node.outputs[0]!);
  const axis = attributeOf(node, "axis", "int", -1);
  const last = result.length - 1;
  if ((axis < 0 ? axis + result.length : axis) !== last)
    return { reason: "it normalises along more than the last axis" };
  const spaces = node.outputs.filter(Boolean).map((value) => {
    const own = dims(value);
    return own.length === result.length && own[last] === result[last] ? spaceOf(own, [last]) : defaultSpace(own);
  });
  return { spaces, pairs: [] };
};

/** Normalises groups of channels, which mixes them. */
export const normalizedGroups: ChannelRule = ({ node, dims }) => ({
  spaces: [spaceOf(dims(node.outputs[0]!), [1])],
  pairs: [],
});

/**
 * A product of two activations, [… , M, K] × [… , K, N]: the columns of the second stay apart, as those of V do in softmax(QKᵀ)·V,
 * or the rows of the first, V transposed. Channels that are summed over end here.
 */
export const matrixProduct: ChannelRule = ({ node, activations, dims, space }) => {
  const [first, second] = activations;
  const result = dims(node.outputs[0]!);
  const rank = result.length;
  const batch = (axes: readonly number[]) => axes.filter((axis) => axis < rank - 2);
  const passes = (value: string, axis: number) => {
    if (!activations.includes(value) || first === second || dims(value).length !== rank) return false;
    const { axes } = space(value);
    const kept = axes.every((along) => dims(value)[along] === result[along]);
    return kept && sameAxes(axes, [...batch(axes), axis]);
  };
  const through = (value: string) => {
    const own = spaceOf(result, space(value).axes);
    const pairs: RulePairs[] = [{ input: activations.indexOf(value), output: 0, ...identityPairs(own.count) }];
    return { spaces: [own], pairs };
  };
  const [left, right] = node.inputs as [string, string];
  if (passes(right, rank - 1)) return through(right);
  if (passes(left, rank - 2)) return through(left);
  return { spaces: [defaultSpace(result)], pairs: [] };
};

/**
 * A Mul by a vector along the last axis of a value whose channels nothing told so far: the γ of a normalisation that is written out.
 * Channels begin there.
 */
export function beginsChannels({ node, activations, dims, space, constants }: ScaledView): number | undefined {
  const result = dims(node.outputs[0]!);
  const last = result.length - 1;
  const [value] = activations;
  if (!isOp(node, "Mul") || activations.length !== 1 || !space(value!).assumed || last < 2) return undefined;
  const vector = constants.find((sizes) => sizes !== undefined);
  const along = vector?.at(-1) === result[last] && vector?.slice(0, -1).every((size) => size === 1);
  return along && result[last]! > 1 && !space(value!).axes.includes(last) ? last : undefined;
}

interface ScaledView extends Omit<RuleView, "constant"> {
  /** Sizes of the constant inputs. */
  readonly constants: readonly (readonly number[] | undefined)[];
}
