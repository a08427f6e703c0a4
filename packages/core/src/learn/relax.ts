import { differentiate, gradientName } from "../gradient/index.js";
import { GraphBuilder, int, type Model, Tensor } from "../graph/index.js";
import type { HostTensor, ObservedType, Runner, TransformContext } from "../runtime/index.js";
import { appendUpdate, type Optimizer, SCALARS, scalarsOf } from "../train/optimizer.js";
import type { Moments } from "./moments.js";
import type { Choices } from "./rounding.js";

/** Stretch of the rectified sigmoid: ζ and γ of Nagel et al. 2020, eq. (23), after Louizos et al. 2018. */
const ZETA = 1.1;
const GAMMA = -0.1;
const OPTIMIZER = { type: "adam" } as const satisfies Optimizer;
/** β falls along half a cosine from the first to the second; the first fifth of the steps is without regulariser. */
const BETA = [20, 2] as const;
const WARM_UP = 0.2;

/** How {@link relaxedRounding} runs. */
export interface RelaxOptions {
  readonly iterations: number;
  readonly rate: number;
  readonly regularization: number;
  /** Added to the diagonal of G, as a share of its mean. */
  readonly ridge: number;
}

/**
 * AdaRound (Nagel et al. 2020, eqs. (22)–(24)) on the moments of a layer: with h(V) = clip(σ(V)(ζ − γ) + γ, 0, 1) and
 * δ = low + h(V) − w/s, gradient descent on
 *
 *   Σ (δGδᵀ + 2δ·b) / mean diag G  +  λ·Σ (1 − |2h(V) − 1|^β)
 *
 * β falls while it runs, so that the second term first leaves weights near ½ alone and at last sends all to 0 or 1.
 * Here the first term is the whole of the data at once, so no step is noisy. Returns h ≥ ½.
 */
export async function relaxedRounding(
  runner: Runner,
  moments: Moments,
  choices: Choices,
  options: RelaxOptions,
  { signal }: TransformContext,
): Promise<Uint8Array> {
  const { groups, outputs, inputs } = moments;
  const dims = [groups, outputs, inputs];
  const { model, next } = relaxStep(moments, choices, options.ridge);
  const start = Float32Array.from(choices.rest, (rest) => {
    // The inverse of h, where it has one: h(V) is the fraction at first, so nothing is rounded yet.
    const share = Math.min(0.999, Math.max(0.001, (rest - GAMMA) / (ZETA - GAMMA)));
    return Math.log(share / (1 - share));
  });
  const zeros = () => ({ dtype: "float32", dims, data: new Float32Array(start.length) }) as HostTensor;
  let state: Record<string, HostTensor> = {
    v: { dtype: "float32", dims, data: start },
    mean: zeros(),
    square: zeros(),
  };
  const scalar = (value: number): HostTensor => ({ dtype: "float32", dims: [], data: Float32Array.of(value) });
  const warm = Math.floor(WARM_UP * options.iterations);
  await runner.using(
    model,
    async (session) => {
      for (let step = 0; step < options.iterations; step++) {
        const share = (step - warm) / Math.max(1, options.iterations - warm);
        const beta = BETA[1] + 0.5 * (BETA[0] - BETA[1]) * (1 + Math.cos(Math.PI * Math.max(0, share)));
        const { rate, correction } = scalarsOf(OPTIMIZER, options.rate, step);
        const feeds = {
          ...state,
          beta: scalar(beta),
          lambda: scalar(step < warm ? 0 : options.regularization),
          [SCALARS.rate]: scalar(rate),
          [SCALARS.correction]: scalar(correction),
        };
        const results = await session.run(feeds, { signal });
        state = Object.fromEntries(Object.entries(next).map(([from, to]) => [from, results[to]!]));
      }
    },
    { purpose: "adaRound" },
  );
  const learned = state.v!.data as Float32Array;
  // h ≥ ½ where V ≥ 0, by the symmetry of ζ and γ.
  return Uint8Array.from(learned, (value, at) => (choices.free[at] === 1 && value >= 0 ? 1 : 0));
}

/** One step as a graph: V and Adam's states in, their successors out. */
function relaxStep(moments: Moments, choices: Choices, ridge: number): { model: Model; next: Record<string, string> } {
  const { groups, outputs, inputs, gram, cross } = moments;
  const dims = [groups, outputs, inputs];
  const { model, builder: b } = GraphBuilder.model("rounding");
  const scaled = { gram: Float32Array.from(gram), cross: Float32Array.from(cross) };
  for (let group = 0; group < groups; group++) {
    const base = group * inputs * inputs;
    let trace = 0;
    for (let k = 0; k < inputs; k++) trace += gram[base + k * inputs + k]!;
    const unit = trace / inputs || 1;
    for (let at = base; at < base + inputs * inputs; at++) scaled.gram[at] = gram[at]! / unit;
    for (let k = 0; k < inputs; k++) scaled.gram[base + k * inputs + k]! += ridge;
    for (let row = group * outputs; row < (group + 1) * outputs; row++) {
      const own = unit * choices.step[row]!;
      for (let at = row * inputs; at < (row + 1) * inputs; at++) scaled.cross[at] = cross[at]! / own;
    }
  }
  const v = b.input("v", dims);
  for (const name of ["mean", "square"]) b.input(name, dims);
  for (const name of ["beta", "lambda"]) b.input(name, []);
  const tensor = (shape: readonly number[], values: ArrayLike<number>, name: string) =>
    b.constant(Tensor.float32(shape, Float32Array.from(values)), name);
  const G = tensor([groups, inputs, inputs], scaled.gram, "G");
  const B = tensor(dims, scaled.cross, "B");
  const free = tensor(dims, choices.free, "free");
  const rest = tensor(dims, choices.rest, "rest");
  const op = (type: string, ...values: string[]) => b.node(type, values);
  const stretched = op("Add", op("Mul", op("Sigmoid", v), b.constant(ZETA - GAMMA)), b.constant(GAMMA));
  const h = op("Clip", stretched, b.constant(0), b.constant(1));
  const delta = op("Sub", op("Mul", h, free), rest);
  const quadratic = op("Mul", delta, op("Add", op("MatMul", delta, G), op("Mul", B, b.constant(2))));
  const far = op("Abs", op("Sub", op("Mul", h, b.constant(2)), b.constant(1)));
  const undecided = op("Mul", op("Sub", b.constant(1), op("Pow", far, "beta")), free);
  const shapes = new Map<string, ObservedType>([...model.graph.initializers]);
  for (const name of ["v", "mean", "square", ...model.graph.nodes.map(({ outputs: [output] }) => output!)]) {
    shapes.set(name, { dtype: "float32", dims });
  }
  const scalar = (value: string) => {
    shapes.set(value, { dtype: "float32", dims: [] });
    return value;
  };
  for (const name of ["beta", "lambda"]) scalar(name);
  const sum = (value: string) => scalar(b.node("ReduceSum", [value], { keepdims: int(0) }));
  const loss = scalar(op("Add", sum(quadratic), scalar(op("Mul", sum(undecided), "lambda"))));
  const derived = differentiate(model, { loss, wrt: [v], shapes });
  const step = new GraphBuilder(derived.graph);
  for (const name of Object.values(SCALARS)) step.input(name, []);
  derived.graph.outputs = [];
  const update = appendUpdate(step, OPTIMIZER, v, gradientName(v), ["mean", "square"]);
  const next = { v: update.parameter, mean: update.states[0]!, square: update.states[1]! };
  for (const value of Object.values(next)) step.output(value, "float32", dims);
  return { model: derived, next };
}
