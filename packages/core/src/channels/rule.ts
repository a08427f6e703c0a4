import type { Node, Tensor } from "../graph/index.js";
import type { ChannelPairs, ChannelSpace } from "./space.js";

/** What a rule may ask about the node it looks at. */
export interface RuleView {
  readonly node: Node;
  /** Inputs that carry float activations, in input order; constants and empty names are left out. */
  readonly activations: readonly string[];
  dims(value: string): readonly number[];
  space(value: string): ChannelSpace;
  /** Value of input `position` when it is constant. */
  constant(position: number): Tensor | undefined;
}

/** Channels of `from` that make channels of `to`. */
export interface ChannelLink extends ChannelPairs {
  readonly input: string;
  readonly output: string;
}

/** What a rule finds: where the output's channels lie and what they are made of, or why that cannot be told. */
export type RuleResult =
  | { readonly spaces: readonly ChannelSpace[]; readonly pairs: readonly RulePairs[] }
  | { readonly reason: string };

/** Pairs between input number `input` among the activations and output number `output`. */
export interface RulePairs extends ChannelPairs {
  readonly input: number;
  readonly output: number;
}

export type ChannelRule = (view: RuleView) => RuleResult;
