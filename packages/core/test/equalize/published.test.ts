import { describe, expect, it } from "vitest";
import type { ActivationStats } from "../../src/calibrate/index.js";
import { type EqualizeMethod, equalize } from "../../src/equalize/index.js";
import { int, type Model } from "../../src/graph/index.js";
import { createRandom } from "../../src/math/index.js";
import { observeShapes } from "../../src/runtime/index.js";
import { type TestModel, testModel } from "../helpers/build.js";
import { runner } from "../helpers/runner.js";
import { requiredInputFeeds } from "./feeds.js";
import { stats } from "./two-layers.js";

/*
 * Algorithms 1 and 2 of Meller et al. 2019 and eqs. (9)–(11) of Nagel et al. 2019 as they are printed, on weights as plain arrays
 * and on groups of channels that are written down by hand for each network: nothing of the product takes part.
 */

/** A layer as the papers see it: rows are output channels, columns input channels; depthwise layers have a diagonal. */
interface NaiveLayer {
  readonly name: string;
  readonly weights: number[][];
  /** Largest activation of every output channel. */
  readonly actOutChMax: number[];
}

/** Channels scaled together: what makes channel k is multiplied, what reads it is divided. Positions are the first channel's. */
interface Group {
  readonly size: number;
  readonly makes: readonly { layer: string; at?: number }[];
  readonly reads: readonly { layer: string; at?: number }[];
}

interface Case {
  readonly model: Model;
  readonly layers: ReadonlyMap<string, NaiveLayer>;
  /** In the order in which the algorithms reach them. */
  readonly groups: readonly Group[];
  readonly stats: ActivationStats;
}

class Builder {
  readonly layers = new Map<string, NaiveLayer>();
  readonly ranges: Record<string, { max: number[] }> = {};
  readonly t: TestModel;
  readonly #random;

  constructor(seed: number) {
    this.t = testModel(seed);
    this.#random = createRandom(seed + 100);
  }

  /** A 1×1 convolution whose channels differ by up to 30 times. */
  conv(input: string, from: number, to: number, name: string, depthwise = false): string {
    const weight = this.t.random([to, depthwise ? 1 : from, 1, 1], `${name}.w`);
    const values = this.t.model.graph.initializers.get(weight)!.array() as Float32Array;
    const columns = depthwise ? 1 : from;
    for (let c = 0; c < to; c++) {
      const gain = 30 ** this.#random.uniform();
      for (let i = 0; i < columns; i++) values[c * columns + i] = values[c * columns + i]! * gain;
    }
    const row = (c: number) => Array.from(values.subarray(c * columns, (c + 1) * columns));
    const weights = Array.from({ length: to }, (_, c) =>
      depthwise ? Array.from({ length: from }, (_, i) => (i === c ? values[c]! : 0)) : row(c),
    );
    const output = this.t.builder.node(
      "Conv",
      [input, weight, this.t.random([to], `${name}.b`)],
      { group: int(depthwise ? from : 1) },
      { name },
    );
    const actOutChMax = Array.from({ length: to }, () => 0.1 + 10 * this.#random.uniform());
    this.layers.set(name, { name, weights, actOutChMax });
    this.ranges[output] = { max: actOutChMax };
    return output;
  }

  relu(value: string): string {
    const output = this.t.builder.node("Relu", [value]);
    this.ranges[output] = this.ranges[value]!;
    return output;
  }

  done(output: string, groups: readonly Group[]): Case {
    this.t.builder.output(output);
    return { model: this.t.model, layers: this.layers, groups, stats: stats(this.ranges) };
  }
}

const one = (...layers: string[]) => layers.map((layer) => ({ layer }));

const CASES: Readonly<Record<string, () => Case>> = {
  chain: () => {
    const b = new Builder(1);
    const x = b.t.builder.input("input", ["N", 3, 4, 4]);
    const first = b.relu(b.conv(x, 3, 6, "a"));
    return b.done(b.conv(b.relu(b.conv(first, 6, 5, "b")), 5, 4, "c"), [
      { size: 6, makes: one("a"), reads: one("b") },
      { size: 5, makes: one("b"), reads: one("c") },
    ]);
  },
  "residual blocks": () => {
    const b = new Builder(2);
    const x = b.t.builder.input("input", ["N", 3, 4, 4]);
    const stem = b.conv(x, 3, 6, "stem");
    const branch = b.conv(b.relu(b.conv(stem, 6, 8, "a")), 8, 6, "b");
    const sum = b.t.builder.node("Add", [branch, stem]);
    return b.done(b.conv(b.relu(b.conv(sum, 6, 5, "c")), 5, 4, "d"), [
      { size: 6, makes: one("stem", "b"), reads: one("a", "c") },
      { size: 8, makes: one("a"), reads: one("b") },
      { size: 5, makes: one("c"), reads: one("d") },
    ]);
  },
  "branches that meet in a Concat": () => {
    const b = new Builder(3);
    const x = b.t.builder.input("input", ["N", 3, 4, 4]);
    const long = b.relu(b.conv(b.relu(b.conv(x, 3, 5, "l1")), 5, 4, "l2"));
    const short = b.relu(b.conv(x, 3, 3, "s1"));
    const both = b.t.builder.node("Concat", [long, short], { axis: int(1) });
    return b.done(b.conv(b.relu(b.conv(both, 7, 5, "join")), 5, 2, "last"), [
      { size: 5, makes: one("l1"), reads: one("l2") },
      { size: 4, makes: one("l2"), reads: [{ layer: "join", at: 0 }] },
      { size: 3, makes: one("s1"), reads: [{ layer: "join", at: 4 }] },
      { size: 5, makes: one("join"), reads: one("last") },
    ]);
  },
  "depthwise layers and two successors": () => {
    const b = new Builder(4);
    const x = b.t.builder.input("input", ["N", 3, 4, 4]);
    const expanded = b.relu(b.conv(x, 3, 6, "expand"));
    const depth = b.relu(b.conv(expanded, 6, 6, "depth", true));
    const project = b.conv(depth, 6, 4, "project");
    const sum = b.t.builder.node("Add", [b.conv(project, 4, 5, "left"), b.conv(project, 4, 5, "right")]);
    return b.done(b.conv(sum, 5, 2, "last"), [
      { size: 6, makes: one("expand"), reads: one("depth") },
      { size: 6, makes: one("depth"), reads: one("project") },
      { size: 4, makes: one("project"), reads: one("left", "right") },
      { size: 5, makes: one("left", "right"), reads: one("last") },
    ]);
  },
};

const S_MAX = 16;
const rowMax = (w: number[][], c: number) => Math.max(...w[c]!.map(Math.abs));
const columnMax = (w: number[][], i: number) => Math.max(...w.map((row) => Math.abs(row[i]!)));

/** scaleLayer: eqs. (1) and (2). */
function scale(layers: ReadonlyMap<string, NaiveLayer>, { makes, reads }: Group, factors: number[]): void {
  for (const { layer, at = 0 } of makes) {
    const { weights } = layers.get(layer)!;
    factors.forEach((factor, k) => {
      weights[at + k] = weights[at + k]!.map((w) => w * factor);
    });
  }
  for (const { layer, at = 0 } of reads) {
    for (const row of layers.get(layer)!.weights) {
      factors.forEach((factor, k) => {
        row[at + k] = row[at + k]! / factor;
      });
    }
  }
}

/** One layer's scales by Algorithm 1 (lines 6–12) or 2 (lines 6–15). */
function scalesOf(layers: ReadonlyMap<string, NaiveLayer>, group: Group, layer: string, two: boolean): number[] {
  const { weights, actOutChMax } = layers.get(layer)!;
  const kerOutChMax = weights.map((_, c) => rowMax(weights, c));
  const kerOutMax = Math.max(...kerOutChMax);
  const actOutMax = Math.max(...actOutChMax);
  const scales = kerOutChMax.map((kernel, c) => {
    // Several successors: the one that needs the channel most.
    const shares = group.reads.map(({ layer: reader, at = 0 }) => {
      const successor = layers.get(reader)!.weights;
      const sucInMax = Math.max(...successor[0]!.map((_, i) => columnMax(successor, i)));
      return columnMax(successor, at + c) / sucInMax;
    });
    const share = two ? Math.max(...shares) : 1;
    return Math.min((kerOutMax / kernel) * share, (actOutMax / actOutChMax[c]!) * share, S_MAX);
  });
  const least = two ? Math.min(...scales) : 1;
  return scales.map((value) => value / least);
}

/** Layers that make one value together take the least of their scales: then no range of any of them grows. */
function greedy({ layers, groups }: Case, two: boolean): void {
  for (const group of groups) {
    const each = group.makes.map(({ layer }) => scalesOf(layers, group, layer, two));
    scale(
      layers,
      group,
      each[0]!.map((_, k) => Math.min(...each.map((own) => own[k]!))),
    );
  }
}

/** s = √(r1·r2)/r2 for every channel of every pair, over and over, until nothing changes; the paper divides by s. */
function dfq({ layers, groups }: Case): void {
  for (let change = 1; change > 1e-12; ) {
    change = 0;
    for (const group of groups) {
      const factors = Array.from({ length: group.size }, (_, k) => {
        const r1 = Math.max(...group.makes.map(({ layer, at = 0 }) => rowMax(layers.get(layer)!.weights, at + k)));
        const r2 = Math.max(...group.reads.map(({ layer, at = 0 }) => columnMax(layers.get(layer)!.weights, at + k)));
        return 1 / (Math.sqrt(r1 * r2) / r2);
      });
      scale(layers, group, factors);
      change = Math.max(change, ...factors.map((factor) => Math.abs(Math.log(factor))));
    }
  }
}

const METHODS: Readonly<Record<Exclude<EqualizeMethod, "optimal">, (own: Case) => void>> = {
  "one-step": (own) => greedy(own, false),
  "two-step": (own) => greedy(own, true),
  dfq,
};

describe.each(Object.keys(METHODS) as (keyof typeof METHODS)[])("%s, kept as it is", (method) => {
  it.each(Object.keys(CASES))("%s: every weight is what the paper makes of it, to 1e-6", async (name) => {
    const own = CASES[name]!();
    const { model } = own;
    const shapes = await observeShapes(model, requiredInputFeeds(model), { runner });
    METHODS[method](own);
    const report = await equalize({ method, keep: "always", smax: S_MAX, stats: own.stats, shapes })(model, {});
    expect(report).toMatchObject({ method, modified: true, undone: [] });
    expect(report.classes.length).toBeGreaterThan(1);
    expect(report.classes.filter(({ maxFactor, minFactor }) => maxFactor === 1 && minFactor === 1)).toEqual([]);
    for (const node of model.graph.nodes.filter(({ opType }) => opType === "Conv")) {
      const { weights } = own.layers.get(node.name)!;
      const tensor = model.graph.initializers.get(node.inputs[1]!)!;
      const scaled = tensor.numbers();
      const depthwise = tensor.dims[1] === 1 && weights[0]!.length > 1;
      const expected = depthwise ? weights.map((row, c) => row[c]!) : weights.flat();
      for (const [at, value] of expected.entries()) expect(scaled[at]! / value).toBeCloseTo(1, 6);
    }
  });
});
