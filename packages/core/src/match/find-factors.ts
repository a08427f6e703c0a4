import { factorsOf, type ScaleClasses } from "../equalize/index.js";
import { forEachWeight, type LinearLayer } from "../operators/index.js";
import { dequantizeTensor } from "../quantize/index.js";
import type { LayerPair } from "./match-layers.js";
import type { QdqFile } from "./read-qdq.js";

/** Sweeps over all classes after the first pass. */
const SWEEPS = 12;
/** Factors are believed when they explain this share of what the weights differ by. */
const EXPLAINED = 0.75;

/** Σω and Σω·ln(Ŵ/W) over the kernel of one output and input channel. */
interface LayerEvidence {
  readonly layer: LinearLayer;
  readonly weight: Float64Array;
  readonly log: Float64Array;
}

/** Equalization that a file's weights tell. */
export interface FoundFactors {
  /** One a variable, in class order, as `applyFactors` takes them. */
  readonly factors: Float64Array[];
  /** Mean of 1 − cos² between weights of the file and of the float network, without and with the factors. */
  readonly before: number;
  readonly after: number;
}

/**
 * Factors that turn the float network's weights into the file's. Equalization multiplies W[j, i] by b_j/a_i, with one variable
 * for all channels that must be scaled together, so that ln(Ŵ/W) = ln b_j − ln a_i for every weight: least squares over all
 * weights at once, each by its precision (Ŵ/step)², starting from the network's input, where the factor is 1.
 * Undefined where factors explain little: rounding alone separates the weights, or it is another network.
 */
export function findFactors(
  classes: ScaleClasses,
  pairs: readonly LayerPair[],
  { constants, skeleton: { graph: skeleton } }: QdqFile,
): FoundFactors | undefined {
  const { graph } = classes.flow;
  const evidence = new Map<string, LayerEvidence>();
  const files = new Map<string, Float32Array>();
  const biases = new Map<string, readonly [file: ArrayLike<number>, float: ArrayLike<number>]>();
  for (const { file, float } of pairs) {
    const constant = constants.get(file.weight);
    if (!constant) continue;
    const values = dequantizeTensor(constant.data, constant.encoding).array() as Float32Array;
    files.set(float.output, values);
    evidence.set(float.output, evidenceOf(float, values));
    const [ofFile, ofFloat] = [skeleton.initializers.get(file.bias ?? ""), graph.initializers.get(float.bias ?? "")];
    if (ofFile && ofFloat) {
      biases.set(float.output, [ofFile.array() as Float32Array, ofFloat.array() as Float32Array]);
    }
  }
  const logs = classes.classes.map(({ size }) => new Float64Array(size).fill(Number.NaN));
  solve(classes, evidence, logs);
  fromBiases(classes, biases, logs);
  const factors = logs.map((own) => own.map(Math.exp));
  let [before, after, count] = [0, 0, 0];
  for (const { float } of pairs) {
    const values = files.get(float.output);
    if (!values) continue;
    before += 1 - cosineSquared(float, values);
    after +=
      1 -
      cosineSquared(float, values, {
        a: factorsOf(classes, factors, float.input),
        b: factorsOf(classes, factors, float.output),
      });
    count++;
  }
  if (count === 0 || !(after < (1 - EXPLAINED) * before)) return undefined;
  return { factors, before: before / count, after: after / count };
}

function evidenceOf(layer: LinearLayer, file: Float32Array): LayerEvidence {
  const float = layer.tensor.array() as Float32Array;
  const size = layer.outChannels * layer.inChannels;
  const [weight, log] = [new Float64Array(size), new Float64Array(size)];
  forEachWeight(layer, (flat, out, input) => {
    const [to, from] = [file[flat]!, float[flat]!];
    if (!(to * from > 0)) return;
    const at = out * layer.inChannels + input;
    weight[at]! += to * to;
    log[at]! += to * to * Math.log(to / from);
  });
  return { layer, weight, log };
}

/** Gauss–Seidel by classes; the first pass knows only what lies before. */
function solve(classes: ScaleClasses, evidence: ReadonlyMap<string, LayerEvidence>, logs: Float64Array[]): void {
  const known = new Set<number>();
  const input = (layer: LinearLayer) => classes.values.get(layer.input);
  const output = (layer: LinearLayer) => classes.values.get(layer.output);
  for (let sweep = 0; sweep <= SWEEPS; sweep++) {
    for (const { id, size, producers, consumers, pinned, reason } of classes.classes) {
      if (reason !== undefined) {
        logs[id]!.fill(0);
        known.add(id);
      } else {
        const total = new Float64Array(size);
        const sum = new Float64Array(size);
        const own = logs[id]!;
        const add = (layer: LinearLayer, side: "output" | "input") => {
          const facts = evidence.get(layer.output);
          if (!facts) return;
          const [a, b] = [input(layer), output(layer)];
          const [ofA, ofB] = [a && logs[a.class]!, b && logs[b.class]!];
          for (let j = 0, at = 0; j < layer.outChannels; j++) {
            for (let i = 0; i < layer.inChannels; i++, at++) {
              const weight = facts.weight[at]!;
              if (weight === 0) continue;
              const [va, vb] = [a?.variables[i], b?.variables[j]];
              const [xa, xb] = [va === undefined ? 0 : ofA![va]! || 0, vb === undefined ? 0 : ofB![vb]! || 0];
              const variable = (side === "output" ? vb : va)!;
              total[variable]! += weight;
              sum[variable]! += side === "output" ? facts.log[at]! + weight * xa : weight * xb - facts.log[at]!;
            }
          }
        };
        const ready = producers.filter(({ layer }) => !input(layer) || known.has(input(layer)!.class));
        for (const { layer } of sweep === 0 && ready.length > 0 ? ready : producers) add(layer, "output");
        if (sweep > 0) for (const { layer } of consumers) add(layer, "input");
        for (let v = 0; v < size; v++) {
          if (pinned[v] !== undefined) own[v] = 0;
          else if (total[v]! > 0) own[v] = sum[v]! / total[v]!;
        }
        known.add(id);
      }
    }
  }
}

/** A channel without a weight, in front or behind, is a constant: its bias alone was multiplied. */
function fromBiases(
  { classes }: ScaleClasses,
  biases: ReadonlyMap<string, readonly [ArrayLike<number>, ArrayLike<number>]>,
  logs: Float64Array[],
): void {
  for (const { id, producers } of classes) {
    const own = logs[id]!;
    for (const { layer, variables } of producers) {
      const [file, float] = biases.get(layer.output) ?? [];
      variables.forEach((variable, channel) => {
        const ratio = (file?.[channel] ?? 0) / (float?.[channel] ?? 0);
        if (Number.isNaN(own[variable]) && ratio > 0 && ratio < Infinity) own[variable] = Math.log(ratio);
      });
    }
    own.forEach((log, variable) => {
      if (Number.isNaN(log)) own[variable] = 0;
    });
  }
}

function cosineSquared(
  layer: LinearLayer,
  file: Float32Array,
  { a, b }: { a?: Float64Array | undefined; b?: Float64Array | undefined } = {},
): number {
  const float = layer.tensor.array() as Float32Array;
  let [product, squaresFile, squaresFloat] = [0, 0, 0];
  forEachWeight(layer, (flat, out, input) => {
    const scaled = (float[flat]! * (b?.[out] ?? 1)) / (a?.[input] ?? 1);
    product += scaled * file[flat]!;
    squaresFile += file[flat]! ** 2;
    squaresFloat += scaled ** 2;
  });
  return squaresFile === 0 || squaresFloat === 0 ? 0 : product ** 2 / (squaresFile * squaresFloat);
}
