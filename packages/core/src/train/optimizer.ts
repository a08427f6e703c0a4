import { type GraphBuilder, Tensor } from "../graph/index.js";

/** Rule that turns gradients into steps. */
export type Optimizer =
  /** v ← μ·v + g, p ← p − rate·v; nesterov: p ← p − rate·(g + μ·v). PyTorch's SGD, dampening 0. */
  | {
      readonly type: "sgd";
      /** Momentum μ. Default: 0.9. */
      readonly momentum?: number;
      /** Default: false. */
      readonly nesterov?: boolean;
      /** Added to the gradient as weightDecay·p. Default: 0. */
      readonly weightDecay?: number;
    }
  /** Kingma, Ba 2015, as PyTorch's Adam. */
  | {
      readonly type: "adam";
      /** Default: 0.9. */
      readonly beta1?: number;
      /** Default: 0.999. */
      readonly beta2?: number;
      /** Default: 1e-8. */
      readonly epsilon?: number;
      /** Default: 0. */
      readonly weightDecay?: number;
      /** Weight decay shrinks the parameter by rate·weightDecay instead of entering the gradient (AdamW). Default: false. */
      readonly decoupled?: boolean;
    };

const OPTIMIZER_DEFAULTS = {
  sgd: { momentum: 0.9, nesterov: false, weightDecay: 0 },
  adam: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, decoupled: false },
} as const;

/** What the update of one parameter reads and makes. States are zero at first and have the parameter's shape. */
export interface Update {
  readonly parameter: string;
  /** Old state values by their names, and the new ones. */
  readonly states: readonly { readonly from: string; readonly to: string }[];
}

/** Names of an optimizer's states, one tensor a parameter each. */
export function stateNames(optimizer: Optimizer): readonly string[] {
  if (optimizer.type === "adam") return ["mean", "square"];
  return (optimizer.momentum ?? OPTIMIZER_DEFAULTS.sgd.momentum) === 0 ? [] : ["velocity"];
}

/** Numbers that change at every step, fed as scalars. */
export const SCALARS = { rate: "train/rate", correction: "train/correction" } as const;

/**
 * Values of {@link SCALARS} for step `step` (from 0). Adam's bias correction is folded into two numbers:
 * rate / (1 − β₁ᵗ) and 1 / √(1 − β₂ᵗ), t = step + 1, computed in double precision as PyTorch does.
 */
export function scalarsOf(optimizer: Optimizer, rate: number, step: number): { rate: number; correction: number } {
  if (optimizer.type === "sgd") return { rate, correction: 1 };
  const { beta1, beta2 } = { ...OPTIMIZER_DEFAULTS.adam, ...optimizer };
  return { rate: rate / (1 - beta1 ** (step + 1)), correction: 1 / Math.sqrt(1 - beta2 ** (step + 1)) };
}

/** Appends the update of one parameter. `states` are values in the order of {@link stateNames}. */
export function appendUpdate(
  builder: GraphBuilder,
  optimizer: Optimizer,
  parameter: string,
  gradient: string,
  states: readonly string[],
): { parameter: string; states: string[] } {
  const name = { name: `update/${parameter}` };
  const op = (opType: string, ...inputs: string[]) => builder.node(opType, inputs, {}, name);
  const number = (value: number) => builder.constant(Tensor.scalar(value), "train/number");
  const decay = optimizer.weightDecay ?? 0;
  const decoupled = optimizer.type === "adam" && optimizer.decoupled === true;
  const g = decay !== 0 && !decoupled ? op("Add", gradient, op("Mul", parameter, number(decay))) : gradient;
  if (optimizer.type === "sgd") {
    const { momentum, nesterov } = { ...OPTIMIZER_DEFAULTS.sgd, ...optimizer };
    const [velocity] = states;
    if (velocity === undefined) {
      return { parameter: op("Sub", parameter, op("Mul", g, SCALARS.rate)), states: [] };
    }
    const next = op("Add", op("Mul", velocity, number(momentum)), g);
    const step = nesterov ? op("Add", g, op("Mul", next, number(momentum))) : next;
    return { parameter: op("Sub", parameter, op("Mul", step, SCALARS.rate)), states: [next] };
  }
  const { beta1, beta2, epsilon } = { ...OPTIMIZER_DEFAULTS.adam, ...optimizer };
  const [mean, square] = states as [string, string];
  const nextMean = op("Add", op("Mul", mean, number(beta1)), op("Mul", g, number(1 - beta1)));
  const nextSquare = op("Add", op("Mul", square, number(beta2)), op("Mul", op("Mul", g, g), number(1 - beta2)));
  const root = op("Add", op("Mul", op("Sqrt", nextSquare), SCALARS.correction), number(epsilon));
  const moved = op("Mul", op("Div", nextMean, root), SCALARS.rate);
  const kept = decoupled ? op("Mul", parameter, DECAY_FACTOR) : parameter;
  return { parameter: op("Sub", kept, moved), states: [nextMean, nextSquare] };
}

/** 1 − rate·weightDecay of decoupled decay, fed as a scalar because the rate is. */
export const DECAY_FACTOR = "train/decay";
