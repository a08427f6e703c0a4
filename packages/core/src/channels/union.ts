/** One set of united values: its variables, and why some are pinned. */
export interface UnionGroup {
  readonly values: string[];
  /** Variable of every channel, by value. */
  readonly variables: ReadonlyMap<string, Int32Array>;
  readonly size: number;
  readonly pinned: readonly (string | undefined)[];
}

/** Union–find over (value, channel), with a reason on sets whose factor is pinned to 1. */
export class ChannelUnion {
  readonly #offsets = new Map<string, { start: number; count: number }>();
  #parent = new Int32Array(1024);
  #size = 0;
  readonly #reasons = new Map<number, string>();

  /** Adds the channels of a value, each in a set of its own. */
  add(value: string, count: number): void {
    if (this.#offsets.has(value)) return;
    const start = this.#size;
    this.#offsets.set(value, { start, count });
    this.#size += count;
    if (this.#size > this.#parent.length) {
      const grown = new Int32Array(Math.max(this.#size, this.#parent.length * 2));
      grown.set(this.#parent);
      this.#parent = grown;
    }
    for (let id = start; id < this.#size; id++) this.#parent[id] = id;
  }

  count(value: string): number {
    return this.#offsets.get(value)?.count ?? 0;
  }

  /** Unites channel from[k] of one value with channel to[k] of another. */
  unite(a: string, from: Int32Array, b: string, to: Int32Array): void {
    const first = this.#offsets.get(a);
    const second = this.#offsets.get(b);
    if (!first || !second) {
      // A partner of unknown channels cannot follow.
      if (first) this.pin(a, `"${b}" has unknown channels`);
      if (second) this.pin(b, `"${a}" has unknown channels`);
      return;
    }
    for (let k = 0; k < from.length; k++) this.#join(first.start + from[k]!, second.start + to[k]!);
  }

  /** Pins every channel of a value; the first reason stays. */
  pin(value: string, reason: string): void {
    const count = this.count(value);
    for (let channel = 0; channel < count; channel++) this.pinChannel(value, channel, reason);
  }

  pinChannel(value: string, channel: number, reason: string): void {
    const root = this.#find(this.#offsets.get(value)!.start + channel);
    if (!this.#reasons.has(root)) this.#reasons.set(root, reason);
  }

  /** Whether every channel of the value is pinned. */
  isPinned(value: string): boolean {
    const { start, count } = this.#offsets.get(value) ?? { start: 0, count: 0 };
    for (let id = start; id < start + count; id++) if (!this.#reasons.has(this.#find(id))) return false;
    return true;
  }

  /** Values that share a set, in the order they were added, with their sets numbered by first appearance. */
  groups(): UnionGroup[] {
    const owner = new Map<number, number>();
    const groupOf = new Map<string, number>();
    const merged: number[] = [];
    const top = (group: number): number => (merged[group] === group ? group : top(merged[group]!));
    for (const [value, { start, count }] of this.#offsets) {
      let group = merged.length;
      merged.push(group);
      for (let id = start; id < start + count; id++) {
        const root = this.#find(id);
        const known = owner.get(root);
        if (known === undefined) {
          owner.set(root, group);
          continue;
        }
        const other = top(known);
        if (other === group) continue;
        const [low, high] = other < group ? [other, group] : [group, other];
        merged[high] = low;
        group = low;
      }
      groupOf.set(value, group);
    }
    const members = new Map<number, string[]>();
    for (const [value, group] of groupOf) {
      const root = top(group);
      const list = members.get(root);
      if (list) list.push(value);
      else members.set(root, [value]);
    }
    return [...members.values()].map((values) => this.#group(values));
  }

  #group(values: string[]): UnionGroup {
    const numbers = new Map<number, number>();
    const pinned: (string | undefined)[] = [];
    const variables = new Map<string, Int32Array>();
    for (const value of values) {
      const { start, count } = this.#offsets.get(value)!;
      const own = Int32Array.from({ length: count }, (_, channel) => {
        const root = this.#find(start + channel);
        const known = numbers.get(root);
        if (known !== undefined) return known;
        numbers.set(root, pinned.length);
        pinned.push(this.#reasons.get(root));
        return pinned.length - 1;
      });
      variables.set(value, own);
    }
    return { values, variables, size: pinned.length, pinned };
  }

  #find(id: number): number {
    let root = id;
    while (this.#parent[root] !== root) root = this.#parent[root]!;
    for (let at = id; at !== root; ) {
      const next = this.#parent[at]!;
      this.#parent[at] = root;
      at = next;
    }
    return root;
  }

  #join(a: number, b: number): void {
    const first = this.#find(a);
    const second = this.#find(b);
    if (first === second) return;
    const [low, high] = first < second ? [first, second] : [second, first];
    this.#parent[high] = low;
    const reason = this.#reasons.get(high);
    if (reason === undefined) return;
    if (!this.#reasons.has(low)) this.#reasons.set(low, reason);
    this.#reasons.delete(high);
  }
}
