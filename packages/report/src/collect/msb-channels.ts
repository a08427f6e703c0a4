import { type Encoding, forEachWeight, type LinearLayer, representability } from "@equant/core/lab";
import type { MsbChannel } from "../schema.js";

/** Channels kept of a tensor, those that lose most: a heat map of a thousand rows is not read, and files stay small. */
export const CHANNELS_KEPT = 12;
/** From this many channels on none is told apart: the values behind a Flatten are no channels. */
const CHANNELS_MOST = 4096;
/** Exponents told apart; what lies beyond is counted in the last ones. */
const LOWEST = -40;
const EXPONENTS = 64;

/** Most significant bits by channel, counted while values pass by: half a kilobyte a channel. */
export class ChannelBits {
  readonly #encodings: readonly Encoding[];
  readonly #counts: Uint32Array;
  readonly #zeros: Float64Array;
  readonly #total: Float64Array;
  readonly #overflow: Float64Array;
  readonly #underflow: Float64Array;

  constructor(
    readonly channels: number,
    encoding: Encoding,
  ) {
    this.#encodings =
      encoding.scale.length === 1
        ? [encoding]
        : Array.from({ length: channels }, (_, channel) => channelEncoding(encoding, channel));
    this.#counts = new Uint32Array(channels * 2 * EXPONENTS);
    [this.#zeros, this.#total, this.#overflow, this.#underflow] = Array.from(
      { length: 4 },
      () => new Float64Array(channels),
    ) as [Float64Array, Float64Array, Float64Array, Float64Array];
  }

  /** Whether the channels of a value can be told apart. */
  static fits(channels: number): boolean {
    return channels > 1 && channels <= CHANNELS_MOST;
  }

  /** Adds values of one channel. */
  add(values: Float32Array, channel: number): void {
    const { zeros, overflow, underflow } = representability(values, this.#encodings[channel % this.#encodings.length]!);
    this.#zeros[channel]! += zeros;
    this.#overflow[channel]! += overflow;
    this.#underflow[channel]! += underflow;
    const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
    const counts = this.#counts;
    const base = channel * 2 * EXPONENTS;
    let total = zeros;
    for (let i = 0; i < bits.length; i++) {
      const pattern = bits[i]!;
      const magnitude = pattern & 0x7fffffff;
      if (magnitude === 0 || magnitude >= 0x7f800000) continue;
      // Below 2^−126 the exponent bits are zero: counted in the lowest column, where such values belong.
      const place = (magnitude >>> 23) - 127 - LOWEST;
      const at = base + (pattern >>> 31) * EXPONENTS + (place < 0 ? 0 : place >= EXPONENTS ? EXPONENTS - 1 : place);
      counts[at] = counts[at]! + 1;
      total++;
    }
    this.#total[channel]! += total;
  }

  /** Adds runs of `length` values, of channel 0, 1, … over and over. */
  addRuns(values: Float32Array, length: number): void {
    for (let from = 0, run = 0; from < values.length; from += length, run++) {
      this.add(values.subarray(from, from + length), run % this.channels);
    }
  }

  /** Channels that lose most to overflow and underflow, the worst first; equal ones in order. */
  worst(most = CHANNELS_KEPT): MsbChannel[] {
    const loss = (c: number) => (this.#overflow[c]! + this.#underflow[c]!) / (this.#total[c]! || 1);
    const order = Array.from({ length: this.channels }, (_, channel) => channel);
    order.sort((a, b) => loss(b) - loss(a) || a - b);
    return order.slice(0, most).map((channel) => this.#row(channel));
  }

  #row(channel: number): MsbChannel {
    const base = channel * 2 * EXPONENTS;
    const side = (at: number) => [...this.#counts.subarray(base + at * EXPONENTS, base + (at + 1) * EXPONENTS)];
    const [positive, negative] = [side(0), side(1)];
    const used = positive.map((n, at) => n + negative[at]!);
    const first = used.findIndex((n) => n > 0);
    const end = used.findLastIndex((n) => n > 0) + 1;
    return {
      channel,
      first: first < 0 ? 0 : LOWEST + first,
      positive: first < 0 ? [] : positive.slice(first, end),
      negative: first < 0 ? [] : negative.slice(first, end),
      zeros: this.#zeros[channel]!,
      total: this.#total[channel]!,
      overflow: this.#overflow[channel]!,
      underflow: this.#underflow[channel]!,
    };
  }
}

/** The type of one channel. */
function channelEncoding(encoding: Encoding, channel: number): Encoding {
  const at = (list: ArrayLike<number>) => list[channel % list.length]!;
  return {
    ...encoding,
    scale: Float32Array.of(at(encoding.scale)),
    zeroPoint: Int32Array.of(at(encoding.zeroPoint)),
    axis: null,
  };
}

/** Rows of the output channels of a weight. */
export function weightChannels(layer: LinearLayer, encoding: Encoding): Pick<ChannelRows, "channels" | "channelCount"> {
  if (!ChannelBits.fits(layer.outChannels)) return {};
  const weights = layer.tensor.array() as Float32Array;
  const byChannel = Array.from(
    { length: layer.outChannels },
    () => new Float32Array(weights.length / layer.outChannels),
  );
  const filled = new Uint32Array(layer.outChannels);
  forEachWeight(layer, (flat, out) => {
    byChannel[out]![filled[out]!++] = weights[flat]!;
  });
  const bits = new ChannelBits(layer.outChannels, encoding);
  byChannel.forEach((values, channel) => {
    bits.add(values, channel);
  });
  return { channels: bits.worst(), channelCount: layer.outChannels };
}

/** What a row of the heat map has besides, where its channels are known. */
export interface ChannelRows {
  channels?: MsbChannel[];
  channelCount?: number;
}
