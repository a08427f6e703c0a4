import {
  type Attribute,
  createRandom,
  GraphBuilder,
  int,
  ints,
  type Model,
  type Random,
  removeDead,
  Tensor,
} from "../../src/lab.js";

/** A value of the net under construction, channels first. */
interface Value {
  readonly name: string;
  readonly channels: number;
  readonly size: number;
}

/** What may be dead in a random net. */
export interface RandomNetOptions {
  /** Share of output channels with a bias far below everything, or without weights, or without anything. Default: 0.3. */
  readonly dead?: number;
  /** Number of operators. Default: 12. */
  readonly length?: number;
}

/**
 * A random network of every operator that channels pass through, with planted dead channels, on input [N, 4, 6, 6]:
 * the same for the same seed. Residual Add, Mul by a gate, Concat, Split, Slice, Gather, Transpose, depthwise, grouped
 * and transposed convolutions, normalisation, pools, Pad, Resize; then Flatten and two Gemm.
 */
export class RandomNet {
  readonly model: Model;
  readonly #builder: GraphBuilder;
  readonly #random: Random;
  readonly #dead: number;
  readonly #values: Value[] = [];

  constructor(seed: number, { dead = 0.3, length = 12 }: RandomNetOptions = {}) {
    const { model, builder } = GraphBuilder.model("random", 17);
    this.model = model;
    this.#builder = builder;
    this.#random = createRandom(seed);
    this.#dead = dead;
    this.#values.push({ name: builder.input("input", ["N", 4, 6, 6]), channels: 4, size: 6 });
    this.#push(this.#conv(this.#values[0]!, 6));
    for (let k = 0; k < length; k++) this.#push(this.#step());
    this.#finish();
  }

  #push(value: Value): void {
    this.#values.push(value);
  }

  #below(count: number): number {
    return Math.floor(this.#random.uniform() * count);
  }

  #chance(share: number): boolean {
    return this.#random.uniform() < share;
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)]!;
  }

  #normal(dims: readonly number[], spread = 1): number[] {
    return Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => spread * this.#random.normal());
  }

  #constant(dims: readonly number[], values: readonly number[]): string {
    return this.#builder.constant(Tensor.float32(dims, values));
  }

  #integers(values: readonly number[]): string {
    return this.#builder.constant(Tensor.int64([values.length], values));
  }

  #node(opType: string, inputs: readonly string[], attributes: Record<string, Attribute> = {}): string {
    return this.#builder.node(opType, inputs, attributes);
  }

  /** Weights of rows × columns × area and a bias by `outputs`, some outputs dead and some inputs unused. */
  #parameters(dims: readonly number[], outAxis: number, outputs: number, spread: number): [string, string] {
    const weights = this.#normal(dims, spread);
    const bias = this.#normal([outputs], 0.5);
    const inner = dims.slice(outAxis + 1).reduce((a, b) => a * b, 1);
    for (let out = 0; out < dims[outAxis]!; out++) {
      if (!this.#chance(this.#dead)) continue;
      const kind = this.#below(3);
      if (kind === 0) bias[out] = -60;
      else
        for (let at = 0; at < weights.length; at++)
          if (Math.floor(at / inner) % dims[outAxis]! === out) weights[at] = 0;
      if (kind === 2) bias[out] = 0;
    }
    const inAxis = 1 - outAxis;
    const outer = dims.slice(inAxis + 1).reduce((a, b) => a * b, 1);
    if (dims[inAxis]! > 1 && this.#chance(0.2)) {
      const unused = this.#below(dims[inAxis]!);
      for (let at = 0; at < weights.length; at++)
        if (Math.floor(at / outer) % dims[inAxis]! === unused) weights[at] = 0;
    }
    return [this.#constant(dims, weights), this.#constant([outputs], bias)];
  }

  #conv({ name, channels, size }: Value, outputs: number): Value {
    const kernel = this.#pick([1, 3]);
    const pad = kernel === 3 && (size < 4 || this.#chance(0.6)) ? 1 : 0;
    const group = this.#chance(0.3) && channels % 2 === 0 && outputs % 2 === 0 ? 2 : 1;
    const dims = [outputs, channels / group, kernel, kernel];
    const parameters = this.#parameters(dims, 0, outputs, 1 / Math.sqrt((channels / group) * kernel * kernel));
    const inputs = [name, ...parameters].slice(0, this.#chance(0.9) ? 3 : 2);
    const attributes = { group: int(group), pads: ints([pad, pad, pad, pad]) };
    return { name: this.#node("Conv", inputs, attributes), channels: outputs, size: size + 2 * pad - kernel + 1 };
  }

  #depthwise({ name, channels, size }: Value): Value {
    const pad = size < 3 || this.#chance(0.5) ? 1 : 0;
    const times = this.#pick([1, 1, 2]);
    const parameters = this.#parameters([channels * times, 1, 3, 3], 0, channels * times, 0.4);
    const attributes = { group: int(channels), pads: ints([pad, pad, pad, pad]) };
    const output = this.#node("Conv", [name, ...parameters], attributes);
    return { name: output, channels: channels * times, size: size + 2 * pad - 2 };
  }

  #transposed({ name, channels, size }: Value): Value {
    const outputs = 4;
    const kernel = this.#pick([1, 2]);
    const group = channels % 2 === 0 && this.#chance(0.3) ? 2 : 1;
    const dims = [channels, outputs / group, kernel, kernel];
    const parameters = this.#parameters(dims, 1, outputs, 0.5);
    const output = this.#node("ConvTranspose", [name, ...parameters], { group: int(group) });
    return { name: output, channels: outputs, size: size + kernel - 1 };
  }

  #byChannel(channels: number): readonly number[] {
    return this.#pick([[1, channels, 1, 1], [channels, 1, 1], [1]]);
  }

  #step(): Value {
    const value = this.#values.at(this.#chance(0.75) ? -1 : -1 - this.#below(this.#values.length - 1))!;
    const { name, channels, size } = value;
    const same = (output: string): Value => ({ name: output, channels, size });
    const partner = this.#values.filter((other) => other.channels === channels && other.size === size);
    const neighbours = this.#values.filter((other) => other.size === size && other.channels + channels <= 16);
    switch (this.#below(16)) {
      case 0:
      case 1:
      case 2: {
        const conv = this.#conv(value, this.#pick([4, 6, 8]));
        return this.#chance(0.7) ? { ...conv, name: this.#node("Relu", [conv.name]) } : conv;
      }
      case 3:
        return channels <= 8 ? this.#depthwise(value) : this.#conv(value, 4);
      case 4:
        return this.#transposed(value);
      case 5:
        return same(this.#node("Add", [name, this.#pick(partner).name]));
      case 6: {
        const inner = this.#node("GlobalAveragePool", [name]);
        const gate = this.#conv({ name: inner, channels, size: 1 }, channels);
        const padded = gate.size === 1 ? gate.name : this.#node("GlobalAveragePool", [gate.name]);
        return same(this.#node("Mul", [name, this.#node(this.#pick(["Sigmoid", "HardSigmoid"]), [padded])]));
      }
      case 7: {
        const other = neighbours.length > 0 ? this.#pick(neighbours) : undefined;
        if (!other) return same(this.#node("Relu", [name]));
        const output = this.#node("Concat", [name, other.name], { axis: int(1) });
        return { name: output, channels: channels + other.channels, size };
      }
      case 8: {
        if (channels < 4) return same(this.#node("Relu", [name]));
        const first = 1 + this.#below(channels - 2);
        const sizes = this.#integers([first, channels - first]);
        const [a, b] = this.#builder.nodes("Split", [name, sizes], { axis: int(1) }, { outputs: 2 }).outputs;
        this.#push({ name: a!, channels: first, size });
        return { name: b!, channels: channels - first, size };
      }
      case 9: {
        if (channels < 4) return same(this.#node("Relu", [name]));
        const start = this.#below(2);
        const output = this.#node("Slice", [
          name,
          ...[[start], [channels - 1], [-3]].map((list) => this.#integers(list)),
        ]);
        return { name: output, channels: channels - 1 - start, size };
      }
      case 10: {
        const there = this.#node("Transpose", [name], { perm: ints([0, 2, 3, 1]) });
        const inner = this.#node("Add", [there, this.#constant([channels], this.#normal([channels]))]);
        return same(this.#node("Transpose", [inner], { perm: ints([0, 3, 1, 2]) }));
      }
      case 11: {
        const dims = this.#byChannel(channels);
        const operation = this.#pick(["Mul", "Add", "Sub", "Min", "Max", "PRelu"]);
        return same(this.#node(operation, [name, this.#constant(dims, this.#normal(dims))]));
      }
      case 12: {
        const own = (): string => this.#constant([channels], this.#normal([channels], 0.5));
        const variance = this.#constant(
          [channels],
          this.#normal([channels]).map((x) => 0.5 + x * x),
        );
        return same(this.#node("BatchNormalization", [name, own(), own(), own(), variance]));
      }
      case 13: {
        const operation = this.#pick([
          "Relu",
          "LeakyRelu",
          "Sigmoid",
          "HardSwish",
          "Tanh",
          "Abs",
          "Neg",
          "Elu",
          "Softplus",
        ]);
        if (this.#chance(0.6)) return same(this.#node(operation, [name]));
        return same(this.#node("Clip", [name, this.#constant([], [0]), this.#constant([], [2])]));
      }
      case 14: {
        if (size < 3) return same(this.#node("Relu", [name]));
        const shape = { kernel_shape: ints([2, 2]), pads: ints([1, 0, 0, 1]), strides: ints([1, 1]) };
        const pool = this.#pick(["MaxPool", "AveragePool"]);
        const counts: Record<string, Attribute> =
          pool === "AveragePool" ? { count_include_pad: int(this.#below(2)) } : {};
        return same(this.#node(pool, [name], { ...shape, ...counts }));
      }
      default: {
        if (this.#chance(0.5)) {
          const order = Array.from({ length: channels }, (_, at) => channels - 1 - at);
          return same(this.#node("Gather", [name, this.#integers(order)], { axis: int(1) }));
        }
        if (size > 6) return same(this.#node("Relu", [name]));
        const amounts = this.#integers([0, 0, 1, 0, 0, this.#pick([0, 0, 1]), 0, 1]);
        const padded = this.#node("Pad", [name, amounts]);
        const output = this.#node("Conv", [
          padded,
          ...this.#parameters([4, this.#channelsOf(amounts, channels), 2, 2], 0, 4, 0.4),
        ]);
        return { name: output, channels: 4, size };
      }
    }
  }

  #channelsOf(amounts: string, channels: number): number {
    const list = this.model.graph.initializers.get(amounts)!.numbers();
    return channels + list[1]! + list[5]!;
  }

  #finish(): void {
    const { name, channels, size } = this.#values.at(-1)!;
    const pooled = size > 4 ? this.#node("MaxPool", [name], { kernel_shape: ints([size - 2, size - 2]) }) : name;
    const features = channels * (size > 4 ? 9 : size * size);
    const flat = this.#chance(0.5)
      ? this.#node("Flatten", [pooled])
      : this.#node("Reshape", [pooled, this.#integers([0, this.#pick([features, -1])])]);
    const [weight, bias] = this.#parameters([features, 6], 1, 6, 1 / Math.sqrt(features));
    const hidden = this.#chance(0.5)
      ? this.#node("Gemm", [flat, weight, bias], this.#chance(0.5) ? { beta: { type: "float", value: 0.5 } } : {})
      : this.#node("MatMul", [flat, weight]);
    const [last, offset] = this.#parameters([6, 3], 1, 3, 0.5);
    const relu = this.#node("Relu", [hidden]);
    const output = this.#chance(0.5) ? this.#node("Gemm", [relu, last, offset]) : this.#node("MatMul", [relu, last]);
    this.#builder.output(output, "float32", ["N", 3]);
    removeDead(this.model.graph);
  }
}
