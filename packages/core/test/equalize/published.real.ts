import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { ActivationStats } from "../../src/calibrate/index.js";
import type { ObservedShapes } from "../../src/channels/flow.js";
import { equalize } from "../../src/equalize/index.js";
import { cloneModel, type Graph, type Model, parseModel } from "../../src/graph/index.js";
import { createRandom } from "../../src/math/index.js";
import { observeShapes, zeroFeeds } from "../../src/runtime/index.js";
import { prepareModel } from "../../src/steps/index.js";
import { runner } from "../helpers/runner.js";
import { sharedPath } from "../helpers/shared.js";
import { stats } from "./two-layers.js";

/*
 * Algorithms 1 and 2 of Meller et al. 2019 and eqs. (9)–(11) of Nagel et al. 2019 on real networks, read naively: channels are
 * followed through the graph by hand, and nothing of the product takes part but the file and its folding.
 */

/** A layer as the papers see it: single weights, each from an input to an output channel. */
interface Layer {
  readonly name: string;
  readonly outs: number;
  readonly ins: number;
  readonly weights: Float64Array;
  readonly rows: Int32Array;
  readonly columns: Int32Array;
  readonly actOutChMax: readonly number[];
  /** Output channels as the network knows them, input channels likewise. */
  readonly made: readonly number[];
  readonly read: readonly number[];
}

/** Channels that some sum, branch or padding ties together, by variable. */
interface Group {
  readonly variables: ReadonlySet<number>;
  readonly makes: readonly Layer[];
  readonly reads: readonly Layer[];
  /** A ReLU6 stands among them. */
  readonly bounded: boolean;
}

interface Network {
  readonly layers: readonly Layer[];
  readonly groups: readonly Group[];
  readonly stats: ActivationStats;
  /** Factors before anything is scaled. */
  readonly ones: () => Factors;
}

class Sets {
  readonly #parent: number[] = [];
  get size(): number {
    return this.#parent.length;
  }
  fresh(count: number): number[] {
    return Array.from({ length: count }, () => this.#parent.push(this.#parent.length) - 1);
  }
  find(id: number): number {
    let root = id;
    while (this.#parent[root] !== root) root = this.#parent[root]!;
    return root;
  }
  unite(a: number, b: number): void {
    const [one, other] = [this.find(a), this.find(b)];
    this.#parent[Math.max(one, other)] = Math.min(one, other);
  }
}

const ACTIVATIONS = ["Relu", "Clip", "LeakyRelu"];
const PASS = [...ACTIVATIONS, "GlobalAveragePool", "AveragePool", "MaxPool", "Flatten", "Slice"];

/** Follows channels through the folded graph. Activations are drawn: between 0.1 and 10, at most 6 before a ReLU6. */
function read({ graph }: Model, shapes: ObservedShapes, seed: number): Network {
  const random = createRandom(seed);
  const [channels, together] = [new Sets(), new Sets()];
  const ids = new Map<string, number[]>();
  const fresh = (count: number) => {
    together.fresh(count);
    return channels.fresh(count);
  };
  const add = (value: string, own: number[]) => {
    ids.set(value, own);
    for (const id of own) together.unite(own[0]!, id);
  };
  const tie = (one: readonly number[], other: readonly number[]) => {
    for (const [k, id] of one.entries()) for (const sets of [channels, together]) sets.unite(id, other[k]!);
  };
  const input = graph.inputs[0]!.name;
  add(input, fresh(shapes.get(input)!.dims[1]!));
  const ranges: Record<string, { max: number[] }> = {};
  const drafts: Omit<Layer, "made" | "read">[] = [];
  const ends: { read: string; made: string }[] = [];
  const bounds: string[] = [];
  for (const node of graph.nodes) {
    const [from = ""] = node.inputs;
    const output = node.outputs[0]!;
    if (node.opType === "Conv" || node.opType === "Gemm") {
      const weights = weightsOf(graph, node.inputs[1]!, node.opType === "Conv" && groupOf(node) > 1);
      const behind = graph.nodes.filter(({ inputs }) => inputs.includes(output));
      const activation = behind.length === 1 && ACTIVATIONS.includes(behind[0]!.opType) ? behind[0]! : undefined;
      const top = activation?.opType === "Clip" ? 6 : 10;
      const max = Array.from({ length: weights.outs }, () => Math.min(top, 0.1 + 10 * random.uniform()));
      for (const value of [output, ...(activation?.outputs ?? [])]) ranges[value] = { max };
      drafts.push({ name: node.inputs[1]!, ...weights, actOutChMax: max });
      ends.push({ read: from, made: output });
      add(output, fresh(weights.outs));
    } else if (node.opType === "Add") {
      const [one, other] = node.inputs.map((value) => ids.get(value)!) as [number[], number[]];
      tie(one, other);
      add(output, one);
    } else if (node.opType === "Pad") {
      const [, count] = shapes.get(output)!.dims as [number, number];
      const [, before] = graph.initializers.get(node.inputs[1]!)!.numbers();
      const own = fresh(count);
      tie(ids.get(from)!, own.slice(before));
      add(output, own);
    } else if (PASS.includes(node.opType)) {
      if (node.opType === "Clip") bounds.push(output);
      add(output, ids.get(from)!);
    } else if (node.opType === "Softmax") add(output, ids.get(from)!);
    else throw new Error(`the naive reading knows no ${node.opType}`);
  }
  const rooted = (value: string) => ids.get(value)!.map((id) => channels.find(id));
  const layers = drafts.map((draft, at) => ({ ...draft, made: rooted(ends[at]!.made), read: rooted(ends[at]!.read) }));
  const fixed = new Set([input, ...graph.outputs.map(({ name }) => name)].flatMap(rooted));
  const bounded = new Set(bounds.flatMap(rooted));
  const groups = new Map<number, { variables: Set<number>; makes: Layer[]; reads: Layer[] }>();
  const groupOfIds = (members: readonly number[]) => {
    const id = together.find(members[0]!);
    if (!groups.has(id)) groups.set(id, { variables: new Set(), makes: [], reads: [] });
    return groups.get(id)!;
  };
  for (const layer of layers) groupOfIds(layer.made).makes.push(layer);
  for (const layer of layers) groupOfIds(layer.read).reads.push(layer);
  for (const { variables, makes, reads } of groups.values()) {
    const consumed = new Set(reads.flatMap((layer) => layer.read));
    for (const id of makes.flatMap(({ made }) => made)) if (consumed.has(id) && !fixed.has(id)) variables.add(id);
  }
  return {
    layers,
    // In the order in which the first layer of each is reached.
    groups: [...groups.values()]
      .filter(({ variables }) => variables.size > 0)
      .map((own) => ({ ...own, bounded: [...own.variables].some((id) => bounded.has(id)) })),
    stats: stats(ranges),
    ones: () => new Float64Array(channels.size).fill(1),
  };
}

const groupOf = (node: Graph["nodes"][number]) => Number(node.attributes.get("group")?.value ?? 1);

/** All weights; those of a depthwise layer reach one input channel each. */
function weightsOf(graph: Graph, name: string, depthwise: boolean) {
  const tensor = graph.initializers.get(name)!;
  const [outs = 0, inner = 0] = tensor.dims;
  const area = tensor.size / outs / inner;
  const weights = Float64Array.from(tensor.numbers());
  const rows = Int32Array.from(weights, (_, flat) => Math.floor(flat / (inner * area)));
  const columns = Int32Array.from(weights, (_, flat) => (depthwise ? rows[flat]! : Math.floor(flat / area) % inner));
  return { outs, ins: depthwise ? outs : inner, weights, rows, columns };
}

/** By channel; 1 where nothing scales it. */
type Factors = Float64Array;
const S_MAX = 16;
const factorOf = (factors: Factors, id: number) => factors[id]!;

/** By output (`rows`) or input channel, the largest weight of a layer under the factors chosen so far. */
function maxima(layer: Layer, factors: Factors, side: "rows" | "columns"): Float64Array {
  const { outs, ins, weights, rows, columns, made, read } = layer;
  const gains = made.map((id) => factorOf(factors, id));
  const losses = read.map((id) => factorOf(factors, id));
  const result = new Float64Array(side === "rows" ? outs : ins);
  const channel = layer[side];
  for (let at = 0; at < weights.length; at++) {
    const weight = (Math.abs(weights[at]!) * gains[rows[at]!]!) / losses[columns[at]!]!;
    if (weight > result[channel[at]!]!) result[channel[at]!] = weight;
  }
  return result;
}

const most = (values: Iterable<number>) => [...values].reduce((a, b) => Math.max(a, b), 0);

/** Algorithm 1 (lines 6–13) or 2 (lines 6–16), layers that make a value together scaled by the least of their scales. */
function greedy({ groups, ones }: Network, two: boolean, paper: boolean): Factors {
  const factors = ones();
  for (const { variables, makes, reads, bounded } of groups) {
    const share = new Map<number, number>();
    for (const successor of reads) {
      const sucInChMax = maxima(successor, factors, "columns");
      const sucInMax = most(sucInChMax);
      for (const [i, id] of successor.read.entries()) {
        share.set(id, Math.max(share.get(id) ?? 0, sucInChMax[i]! / sucInMax));
      }
    }
    const least = new Map<number, number>();
    for (const layer of makes) {
      const kerOutChMax = maxima(layer, factors, "rows");
      const [kerOutMax, actOutMax] = [most(kerOutChMax), most(layer.actOutChMax)];
      const scales = new Map<number, number>();
      layer.made.forEach((id, c) => {
        const own = two ? share.get(id)! : 1;
        // Without any weight before or behind it a channel has no range to match.
        if (!variables.has(id) || kerOutChMax[c] === 0 || own === 0) return;
        const kerScale = (kerOutMax / kerOutChMax[c]!) * own;
        const actScale = (actOutMax / layer.actOutChMax[c]!) * own;
        scales.set(id, Math.min(kerScale, actScale, S_MAX));
      });
      // §5.2: with ReLU6 the division at the end is left out.
      const divisor = two && !(paper && bounded) ? Math.min(...scales.values()) : 1;
      for (const [id, scale] of scales) least.set(id, Math.min(least.get(id) ?? Infinity, scale / divisor));
      if (!(paper && bounded)) continue;
      // §5.2: no channel is amplified beyond 6; two steps attenuate it to 70 % at most, one step never.
      layer.made.forEach((id, c) => {
        if (!least.has(id)) return;
        least.set(id, Math.min(Math.max(least.get(id)!, two ? 0.7 : 1), Math.max(1, 6 / layer.actOutChMax[c]!)));
      });
    }
    for (const [id, factor] of least) factors[id] = factor;
  }
  return factors;
}

/** s = √(r1·r2)/r2 for every channel of every pair, over and over, until nothing changes; the paper divides by s. */
function dfq({ groups, ones }: Network): Factors {
  const factors = ones();
  for (let change = 1; change > 1e-9; ) {
    change = 0;
    for (const { variables, makes, reads } of groups) {
      const [r1, r2] = [new Float64Array(factors.length), new Float64Array(factors.length)];
      const raise = (to: Float64Array, own: readonly number[], values: Float64Array) =>
        own.forEach((id, k) => {
          if (values[k]! > to[id]!) to[id] = values[k]!;
        });
      for (const layer of makes) raise(r1, layer.made, maxima(layer, factors, "rows"));
      for (const layer of reads) raise(r2, layer.read, maxima(layer, factors, "columns"));
      for (const id of variables) {
        if (r1[id] === 0 || r2[id] === 0) continue;
        const s = Math.sqrt(r1[id]! * r2[id]!) / r2[id]!;
        factors[id] = factors[id]! / s;
        change = Math.max(change, Math.abs(Math.log(s)));
      }
    }
  }
  return factors;
}

const METHODS = {
  "one-step": [{ method: "one-step" }, (own: Network) => greedy(own, false, false)],
  "one-step, the paper's ReLU6": [{ method: "one-step", relu6: "paper" }, (own: Network) => greedy(own, false, true)],
  "two-step": [{ method: "two-step" }, (own: Network) => greedy(own, true, false)],
  "two-step, the paper's ReLU6": [{ method: "two-step", relu6: "paper" }, (own: Network) => greedy(own, true, true)],
  dfq: [{ method: "dfq" }, dfq],
} as const;

describe.each(["cifar_resnet20", "mlperf_resnet8", "mobilenet_v2_0.35_224_cifar10head", "tiny_yolov2_face"])(
  "%s",
  (name) => {
    it("every factor of every class is what the papers make of it, to 1e-6", { timeout: 120_000 }, async () => {
      const model = parseModel(readFileSync(sharedPath("models", `${name}.onnx`)));
      await prepareModel(model, { runner });
      const shapes = await observeShapes(model, zeroFeeds(model), { runner });
      const network = read(model, shapes, 7);
      for (const [title, [options, naive]] of Object.entries(METHODS)) {
        const expected = naive(network);
        const scaled = cloneModel(model);
        const report = await equalize({ ...options, keep: "always", smax: S_MAX, stats: network.stats, shapes })(
          scaled,
          {},
        );
        expect(report.undone, title).toEqual([]);
        expect(report.classes.length, title).toBe(network.groups.length);
        expect(expected.filter((factor) => factor !== 1).length, title).toBeGreaterThan(50);
        for (const layer of network.layers) {
          const after = scaled.graph.initializers.get(layer.name)!.numbers();
          let worst = 0;
          layer.weights.forEach((weight, at) => {
            const [made, read] = [layer.made[layer.rows[at]!]!, layer.read[layer.columns[at]!]!];
            const wanted = (weight * factorOf(expected, made)) / factorOf(expected, read);
            // Below 2^-126 float32 has fewer digits.
            if (Math.abs(wanted) > 2 ** -126) worst = Math.max(worst, Math.abs(after[at]! / wanted - 1));
          });
          expect(worst, `${title}: ${layer.name}`).toBeLessThan(1e-6);
        }
      }
    });
  },
);
