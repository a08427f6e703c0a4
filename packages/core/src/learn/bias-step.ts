import { exposeMean } from "../correct/means.js";
import { differentiate, gradientName, type KnownShapes, klDivergenceLoss, meanSquare } from "../gradient/index.js";
import { cloneModel, GraphBuilder, type Model } from "../graph/index.js";
import { appendUpdate, type Optimizer, SCALARS, stateNames } from "../train/optimizer.js";
import type { Student } from "./student.js";

/** What a step of {@link tuneBiases} is generated from. */
export interface BiasStepPlan {
  readonly student: Student;
  /** The student's value that is compared with the teacher's. */
  readonly output: string;
  readonly loss: "mse" | "kl";
  /** Mean square of the teacher's output: the loss is relative to it. */
  readonly power: number;
  /** Root mean square of each layer's output: the unit in which its bias moves. */
  readonly scale: readonly number[];
  /** Weight of the channel means. */
  readonly features: number;
  readonly optimizer: Optimizer;
  readonly shapes: KnownShapes;
}

/** A step as one graph, and the names to feed and fetch. */
export interface BiasStep {
  readonly model: Model;
  readonly loss: string;
  /** Inputs for the teacher's rows: the output, then the means of each layer where they count. */
  readonly targets: readonly string[];
  /** Shift of each layer's bias in its unit: the input, and the output that replaces it. */
  readonly shifts: readonly { readonly from: string; readonly to: string }[];
  /** States of the optimizer, likewise, with the number of channels. */
  readonly states: readonly { readonly from: string; readonly to: string; readonly channels: number }[];
}

/**
 * One step as one graph. With y the output, t the teacher's, m_l and M_l the channel means of layer l, r_l its root mean
 * square, and L layers:
 *
 *   loss = mean (y − t)² / mean t² + features/L · Σ_l mean (m_l − M_l)² / r_l²,   b_l = b_l⁰ + r_l·d_l
 *
 * and Adam on d. (KL divergence instead of the first term where asked.) Rounding passes the gradient straight through,
 * saturation stops it.
 */
export function buildBiasStep(plan: BiasStepPlan): BiasStep {
  const { student, scale, optimizer } = plan;
  const forward = cloneModel(student.model);
  const builder = new GraphBuilder(forward.graph);
  const channels = student.layers.map(({ bias }) => forward.graph.initializers.get(bias)!.size);
  const shifts = student.layers.map(({ bias }, at) => {
    const shift = builder.input(`tune/shift/${at}`, [channels[at]!]);
    const moved = builder.node("Mul", [shift, builder.constant(scale[at]!, "tune/unit")]);
    const sum = builder.node("Add", [moved, bias], {}, { name: `tune/moved/${at}` });
    for (const node of forward.graph.nodes) {
      if (node.inputs[2] === bias) node.inputs[2] = sum;
    }
    return shift;
  });
  const { loss, targets } = appendLoss(forward, builder, plan, channels);
  const model = differentiate(forward, { loss, wrt: shifts, shapes: plan.shapes, straightThrough: true });
  const step = new GraphBuilder(model.graph);
  step.input(SCALARS.rate, []);
  step.input(SCALARS.correction, []);
  model.graph.outputs = [];
  step.output(loss, "float32", []);
  const states: BiasStep["states"][number][] = [];
  const moved = shifts.map((shift, at) => {
    const own = stateNames(optimizer).map((kind) => step.input(`tune/${kind}/${at}`, [channels[at]!]));
    const next = appendUpdate(step, optimizer, shift, gradientName(shift), own);
    for (const [i, from] of own.entries()) states.push({ from, to: next.states[i]!, channels: channels[at]! });
    for (const value of [next.parameter, ...next.states]) step.output(value, "float32", [channels[at]!]);
    return { from: shift, to: next.parameter };
  });
  return { model, loss, targets, shifts: moved, states };
}

function appendLoss(
  forward: Model,
  builder: GraphBuilder,
  { student, output, loss, power, scale, features, shapes }: BiasStepPlan,
  channels: readonly number[],
): { loss: string; targets: string[] } {
  const dims = shapes.get(output)?.dims ?? [];
  const target = builder.input("tune/target", ["N", ...dims.slice(1).map((dim) => (dim < 0 ? undefined : dim))]);
  const targets = [target];
  const terms = [
    loss === "kl"
      ? klDivergenceLoss(builder, output, target)
      : builder.node("Div", [meanSquare(builder, output, target), builder.constant(power || 1, "tune/power")]),
  ];
  if (features > 0) {
    const nodes = new Map(forward.graph.nodes.map((node) => [node.outputs[0]!, node]));
    for (const [at, { output: value }] of student.layers.entries()) {
      const mean = exposeMean(builder, nodes.get(value)!);
      const wanted = builder.input(`tune/mean/${at}`, ["N", channels[at]!]);
      const weight = features / student.layers.length / (scale[at]! ** 2 || 1);
      targets.push(wanted);
      terms.push(builder.node("Mul", [meanSquare(builder, mean, wanted), builder.constant(weight, "tune/weight")]));
    }
  }
  return { loss: terms.length === 1 ? terms[0]! : builder.node("Sum", terms, {}, { name: "tune/loss" }), targets };
}
