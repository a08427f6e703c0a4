import {
  createNode,
  type Graph,
  type Model,
  parseModel,
  serializeModel,
  subgraphsOf,
  Tensor,
} from "../packages/core/src/graph/index.js";
import { createRandom, type Random } from "../packages/core/src/math/random.js";
import { editContainer, isContainer, joined } from "./mutate-containers.js";

/** A way to damage a file. `others` are the other files, to take parts from. */
type Mutation = (bytes: Uint8Array, random: Random, others: readonly Uint8Array[]) => Uint8Array;

const below = (random: Random, limit: number): number =>
  Math.min(Math.floor(random.uniform() * limit), Math.max(0, limit - 1));
const pick = <T>(random: Random, items: readonly T[]): T => items[below(random, items.length)]!;

/** Structure lies in the first and last kilobytes more often than in between, where the weights are. */
function place(bytes: Uint8Array, random: Random): number {
  const near = Math.min(bytes.length, 4096);
  const where = random.uniform();
  if (where < 0.4) return below(random, near);
  return where < 0.6 ? bytes.length - 1 - below(random, near) : below(random, bytes.length);
}

const flipBits: Mutation = (bytes, random) => {
  const copy = bytes.slice();
  for (let count = 1 + below(random, 16); count > 0; count--) {
    const at = place(copy, random);
    copy[at] = copy[at]! ^ (1 << below(random, 8));
  }
  return copy;
};

const setBytes: Mutation = (bytes, random) => {
  const copy = bytes.slice();
  for (let count = 1 + below(random, 8); count > 0; count--) {
    copy[place(copy, random)] = pick(random, [0, 1, 2, 7, 0x0a, 0x7f, 0x80, 0xff, below(random, 256)]);
  }
  return copy;
};

const truncate: Mutation = (bytes, random) => bytes.slice(0, below(random, bytes.length));

/** A length or number of up to 70 bits. */
const hugeLength: Mutation = (bytes, random) => {
  const copy = bytes.slice();
  const at = place(copy, random);
  const length = 1 + below(random, 10);
  copy.fill(0xff, at, at + length);
  if (at + length < copy.length) copy[at + length] = below(random, 128);
  return copy;
};

const remove: Mutation = (bytes, random) => {
  const at = place(bytes, random);
  return joined([bytes.subarray(0, at), bytes.subarray(at + 1 + below(random, 64))]);
};

const duplicate: Mutation = (bytes, random) => {
  const at = place(bytes, random);
  const part = bytes.subarray(at, at + 1 + below(random, 256));
  return joined([
    bytes.subarray(0, at),
    ...Array.from({ length: 1 + below(random, 20) }, () => part),
    bytes.subarray(at),
  ]);
};

const splice: Mutation = (bytes, random, others) => {
  const other = pick(random, others);
  return joined([bytes.subarray(0, place(bytes, random)), other.subarray(place(other, random))]);
};

/** Other letters in names: the encoding stays sound, the graph does not. */
const misspell: Mutation = (bytes, random) => {
  const copy = bytes.slice();
  for (let count = 1 + below(random, 4), tries = 0; count > 0 && tries < 100; tries++) {
    const at = place(copy, random);
    if (!/[a-z]/i.test(String.fromCharCode(copy[at]!))) continue;
    copy[at] = 0x61 + below(random, 26);
    count--;
  }
  return copy;
};

const zero: Mutation = (bytes, random) => {
  const copy = bytes.slice();
  const at = place(copy, random);
  copy.fill(0, at, at + below(random, 128));
  return copy;
};

function graphsIn(graph: Graph): Graph[] {
  return [graph, ...graph.nodes.flatMap((node) => subgraphsOf(node).flatMap(graphsIn))];
}

/** Damage that a byte mutation seldom makes: valid encoding, senseless graph. */
const EDITS: readonly ((graph: Graph, random: Random, model: Model) => void)[] = [
  // A cycle: some node reads what a later one makes.
  (graph, random) => {
    const node = pick(random, graph.nodes);
    const later = pick(random, graph.nodes);
    if (node) node.inputs[0] = later?.outputs[0] ?? "";
  },
  (graph, random) => {
    const names = [...graph.initializers.keys()];
    if (names.length > 0) graph.initializers.delete(pick(random, names));
  },
  (graph, random) => {
    const [a, b] = [pick(random, graph.nodes), pick(random, graph.nodes)];
    if (a && b) a.outputs = [...b.outputs];
  },
  (graph, random) => {
    const names = [...graph.initializers.keys()];
    const node = pick(random, graph.nodes);
    if (node && names.length > 0) node.outputs[0] = pick(random, names);
  },
  (graph, random) => {
    const dims = pick(random, [[-1], [0], [2 ** 31, 2 ** 31], [0, 2 ** 60], new Array(70).fill(1), [1e15]]);
    const names = [...graph.initializers.keys()];
    if (names.length > 0) graph.initializers.set(pick(random, names), unchecked(dims));
  },
  (graph, random) => {
    const node = pick(random, graph.nodes);
    node?.attributes.set(
      pick(random, ["group", "pads", "transB", "axis"]),
      pick(random, [
        { type: "int", value: -(2 ** 63) } as const,
        { type: "int", value: 0 } as const,
        { type: "floats", value: [1] } as const,
        { type: "string", value: "\u0000" } as const,
      ]),
    );
  },
  (graph, random) => {
    let inner: Graph = { ...graph, initializers: new Map(), nodes: graph.nodes.slice(0, 2) };
    for (let depth = below(random, 60); depth > 0; depth--) {
      const attributes = { body: { type: "graph", value: inner } as const };
      const loop = createNode({ opType: "Loop", inputs: [""], outputs: [`deep${depth}`], attributes });
      inner = { ...inner, nodes: [loop] };
    }
    graph.nodes.push(...inner.nodes);
  },
  (graph, random) => {
    graph.nodes.reverse();
    graph.nodes.length = below(random, graph.nodes.length + 1);
  },
  (graph) => {
    graph.outputs = [];
    graph.inputs.push(...graph.inputs);
  },
  (_, random, model) => {
    model.opsets.set(pick(random, ["", "x", "ai.onnx.ml"]), pick(random, [-1, 0, 2 ** 53]));
    model.irVersion = pick(random, [-1, 0, 99]);
  },
];

/** A tensor whose shape and bytes do not belong together. */
function unchecked(dims: number[]): Tensor {
  return new Tensor("float32", dims, new Uint8Array(8));
}

const editGraph: Mutation = (bytes, random) => {
  let model: Model;
  try {
    model = parseModel(bytes, { external: (_location, _offset, length) => new Uint8Array(length) });
  } catch {
    // Damaged already, or no model.
    return bytes;
  }
  for (let count = 1 + below(random, 3); count > 0; count--) {
    try {
      pick(random, EDITS)(pick(random, graphsIn(model.graph)), random, model);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
  }
  try {
    return serializeModel(model, { externalize: (_name, tensor) => tensor.external });
  } catch {
    // A tensor that claims more than a file may hold.
    return bytes;
  }
};

/** A part of an archive, picture or sound is damaged, in a container that is sound. */
const editPart: Mutation = (bytes, random, others) =>
  editContainer(bytes, random, (part) => pick(random, PLAIN)(part, random, others));

const PLAIN = [flipBits, setBytes, truncate, hugeLength, remove, duplicate, zero];

const MUTATIONS = {
  flipBits,
  setBytes,
  truncate,
  hugeLength,
  remove,
  duplicate,
  splice,
  zero,
  misspell,
  editGraph,
  editPart,
};

/** The damaged file number `index`, the same for the same `seed`. */
export function mutated(
  files: readonly Uint8Array[],
  seed: number,
  index: number,
): { bytes: Uint8Array; kinds: string[] } {
  const random = createRandom(seed, index);
  let bytes = pick(random, files);
  const kinds: string[] = [];
  if (random.uniform() < 0.4) {
    const kind = isContainer(bytes) ? "editPart" : random.uniform() < 0.6 ? "editGraph" : "misspell";
    bytes = MUTATIONS[kind](bytes, random, files);
    kinds.push(kind);
  }
  const names = Object.keys(MUTATIONS).filter((name) => !name.startsWith("edit")) as (keyof typeof MUTATIONS)[];
  for (
    let count = kinds.length === 0 ? 1 + below(random, 2) : below(random, 2);
    count > 0 && bytes.length > 0;
    count--
  ) {
    const kind = pick(random, names);
    bytes = MUTATIONS[kind](bytes, random, files);
    kinds.push(kind);
  }
  return { bytes, kinds };
}
