import type { Graph } from "../graph/index.js";

/** Values that must have one encoding, and the values whose ranges decide it; constants may be among both. */
export interface EncodingGroup {
  readonly values: readonly string[];
  readonly rangeFrom: readonly string[];
}

/** Union–find over values that share an encoding. */
export class SharedEncodings {
  readonly #parent = new Map<string, string>();
  /** Values whose range does not count: what a clamp cuts off, and what follows from others of the group. */
  readonly #leftOut = new Set<string>();

  unite(a: string, b: string): void {
    const rootA = this.#find(a);
    const rootB = this.#find(b);
    if (rootA !== rootB) this.#parent.set(rootB, rootA);
  }

  /** The range of the group does not depend on this value: it need not be calibrated. */
  leaveOut(value: string): void {
    this.#leftOut.add(value);
  }

  /** The groups of the marked values, in the order of the graph: inputs, constants, then what nodes make. */
  groups(graph: Graph, marked: ReadonlySet<string>): EncodingGroup[] {
    const groups = new Map<string, string[]>();
    for (const value of valueOrder(graph)) {
      if (!marked.has(value)) continue;
      const root = this.#find(value);
      const group = groups.get(root);
      if (group) group.push(value);
      else groups.set(root, [value]);
    }
    return [...groups.values()].map((values) => {
      const rangeFrom = values.filter((value) => !this.#leftOut.has(value));
      return { values, rangeFrom: rangeFrom.length > 0 ? rangeFrom : values };
    });
  }

  #find(value: string): string {
    let root = value;
    for (let next = this.#parent.get(root); next !== undefined; next = this.#parent.get(root)) root = next;
    if (root !== value) this.#parent.set(value, root);
    return root;
  }
}

/** Every value of a graph once, in an order that does not depend on how it was found. */
export function valueOrder(graph: Graph): string[] {
  return [
    ...new Set([
      ...graph.inputs.map(({ name }) => name),
      ...graph.initializers.keys(),
      ...graph.nodes.flatMap((node) => node.outputs),
    ]),
  ];
}
