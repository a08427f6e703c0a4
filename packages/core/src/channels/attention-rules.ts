import { attributeOf, type Node } from "../graph/index.js";
import type { ChannelRule, RuleView } from "./rule.js";
import { identityPairs, sameAxes, spaceOf } from "./space.js";

/**
 * Attention in one operator: the channels of V stay apart on their way to the output, as in softmax(QKᵀ)·V; heads that share one V share
 * its factors. Q and K are read as they are. `value`, `past`: positions of V and of V of earlier runs.
 */
function attention(value: number, past: number, heads: (node: Node) => { query: number; value: number }): ChannelRule {
  return ({ node, activations, dims, space }) => {
    const name = node.inputs[value] ?? "";
    const input = activations.indexOf(name);
    const result = dims(node.outputs[0]!);
    if (input < 0) return { reason: "its queries, keys and values come in one" };
    if ((node.inputs[past] ?? "") !== "" || node.outputs.slice(1).some(Boolean)) {
      return { reason: "it keeps keys and values for the next run" };
    }
    const { axes, count } = space(name);
    const { query, value: own } = heads(node);
    const grouped = result.length === 4 ? [dims(name)[1]!, result[1]!] : [own, query];
    const along = result.length === 4 ? [1, 3] : [2];
    if (!sameAxes(axes, along)) return { reason: "it reads channels along other axes than its values count them" };
    const output = spaceOf(result, along);
    const width = count / grouped[0]!;
    const share = grouped[1]! / grouped[0]!;
    if (output.count !== grouped[1]! * width) return { reason: "its heads do not fit" };
    const from = Int32Array.from({ length: output.count }, (_, channel) => {
      const head = Math.floor(Math.floor(channel / width) / share);
      return head * width + (channel % width);
    });
    return { spaces: [output], pairs: [{ input, output: 0, from, to: identityPairs(output.count).to }] };
  };
}

const number = (node: Node, name: string) => attributeOf(node, name, "int", 1);

/** Its bias adds to V too, in one vector with those of Q and K. */
const multiHead = (view: RuleView) => {
  if ((view.node.inputs[3] ?? "") !== "") return { reason: "it adds a bias to queries, keys and values in one" };
  return attention(2, 7, (node) => ({ query: number(node, "num_heads"), value: number(node, "num_heads") }))(view);
};

/** Rules of attention operators, by key. */
export const ATTENTION_RULES: readonly (readonly [string, ChannelRule])[] = [
  [
    "Attention",
    attention(2, 5, (node) => ({ query: number(node, "q_num_heads"), value: number(node, "kv_num_heads") })),
  ],
  ["com.microsoft:MultiHeadAttention", multiHead],
  [
    "com.microsoft:GroupQueryAttention",
    attention(2, 4, (node) => ({ query: number(node, "num_heads"), value: number(node, "kv_num_heads") })),
  ],
];
