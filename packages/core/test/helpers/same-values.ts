import { cloneModel, type Model } from "../../src/graph/index.js";
import { STORAGE_BITS } from "../../src/math/index.js";
import { applyEmulation, applyQdq, type QuantizationPlan } from "../../src/quantize/index.js";
import { exposeValues, type HostTensor, type Runner } from "../../src/runtime/index.js";

/** How two executions of one quantized network agree on a value. */
export interface ValueAgreement {
  readonly value: string;
  /** Largest difference, in steps of the value's own encoding. */
  readonly steps: number;
  readonly elements: number;
  readonly identical: number;
}

/**
 * Runs a plan as QDQ graph and as emulation, both literally (optimizations off), and compares every encoded value. `makePlan`
 * is called once for each form, on a model of its own.
 */
export async function compareForms(
  runner: Runner,
  float: Model,
  makePlan: (model: Model) => QuantizationPlan,
  feeds: Readonly<Record<string, HostTensor>>,
): Promise<ValueAgreement[]> {
  const integer = cloneModel(float);
  const plan = makePlan(integer);
  applyQdq(integer, plan);
  const emulated = cloneModel(float);
  applyEmulation(emulated, makePlan(emulated));
  const measured = [...plan.activations].filter(([value]) => !float.graph.initializers.has(value));
  const run = async (model: Model, path: readonly string[]) => {
    const names = measured.map(([value]) => follow(model, value, path));
    const results = await runner.using(exposeValues(model, names), (session) => session.run(feeds), {
      optimization: "disabled",
    });
    return names.map((name) => results[name]!.data as Float32Array);
  };
  const narrow = measured.some(([, { bits, dtype }]) => bits < STORAGE_BITS[dtype]);
  const a = await run(integer, [...(narrow ? ["Clip"] : []), "QuantizeLinear", "DequantizeLinear"]);
  const b = await run(emulated, ["Div", "Round", "Clip", "Mul"]);
  return measured.map(([value, { scale }], at) => {
    let steps = 0;
    let identical = 0;
    for (const [i, x] of a[at]!.entries()) {
      const difference = Math.abs(x - b[at]![i]!);
      if (difference === 0) identical++;
      steps = Math.max(steps, difference / scale[0]!);
    }
    if (a[at]!.length !== b[at]!.length) throw new Error(`${value}: ${a[at]!.length} and ${b[at]!.length} elements`);
    return { value, steps, elements: a[at]!.length, identical };
  });
}

/** The value behind the operators of `path` that start at `value`, or at what it is called as an output of the graph. */
function follow(model: Model, value: string, path: readonly string[]): string {
  const walk = (from: string, rest: readonly string[]): string[] => {
    const [opType, ...more] = rest;
    if (opType === undefined) return [from];
    const next = model.graph.nodes.filter((node) => node.opType === opType && node.inputs[0] === from);
    return next.flatMap((node) => walk(node.outputs[0]!, more));
  };
  const found = [value, `${value}_float`].flatMap((start) => walk(start, path));
  if (found.length !== 1) throw new Error(`${value}: ${found.length} times ${path.join(", ")} behind it`);
  return found[0]!;
}
