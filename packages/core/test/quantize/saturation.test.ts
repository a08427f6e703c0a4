import { describe, expect, test } from "vitest";
import { calibrate } from "../../src/calibrate/index.js";
import type { Dataset } from "../../src/data/index.js";
import { type Attribute, cloneModel, GraphBuilder, int, ints, type Model, Tensor } from "../../src/graph/index.js";
import { createRandom } from "../../src/math/index.js";
import { type LinearLayer, linearLayers } from "../../src/operators/index.js";
import { type QuantizeOptions, quantizationRequests, quantize } from "../../src/quantize/index.js";
import { saturationRatios } from "../../src/quantize/saturation.js";
import { runner } from "../helpers/runner.js";

/** vpmaddubsw: products of neighbours, added in 16 bits with saturation. */
const maddubs = (x0: number, w0: number, x1: number, w1: number) =>
  Math.max(-32768, Math.min(32767, x0 * w0 + x1 * w1));

interface Shape {
  readonly opType: string;
  readonly dims: number[];
  readonly group?: number;
  readonly transB?: boolean;
}

function layerOf({ opType, dims, group = 1, transB = false }: Shape, weights: Int8Array): LinearLayer {
  const { model, builder } = GraphBuilder.model("layer", 17);
  const weight = builder.constant(Tensor.float32(dims, Float32Array.from(weights)), "w");
  const attributes: Record<string, Attribute> =
    opType === "Gemm" ? { transB: int(transB ? 1 : 0) } : opType === "MatMul" ? {} : { group: int(group) };
  builder.node(opType, [builder.input("x", []), weight], attributes);
  return (linearLayers(model.graph) as [LinearLayer])[0];
}

/**
 * For one output channel: the orders in which a kernel may walk its weights, each as a list of [weight, input channel].
 * Convolutions: channel by channel, as im2col lays out NCHW, and tap by tap, as channels-last kernels do.
 */
function orders(
  { opType, dims, group = 1, transB = false }: Shape,
  weights: Int8Array,
  out: number,
): [number, number][][] {
  if (opType !== "Conv") {
    const [k, n] = transB ? [dims.at(-1)!, dims.at(-2)!] : [dims.at(-2)!, dims.at(-1)!];
    const stacks = weights.length / (k * n);
    return Array.from({ length: stacks }, (_, s) =>
      Array.from({ length: k }, (_, i): [number, number] => [
        weights[s * k * n + (transB ? out * k + i : i * n + out)]!,
        i,
      ]),
    );
  }
  const [m, perGroup, ...kernel] = dims as [number, number, ...number[]];
  const area = kernel.reduce((a, b) => a * b, 1);
  const first = Math.floor(out / (m / group)) * perGroup;
  const at = (c: number, tap: number): [number, number] => [weights[(out * perGroup + c) * area + tap]!, first + c];
  const channels = Array.from({ length: perGroup }, (_, c) => c);
  const taps = Array.from({ length: area }, (_, t) => t);
  return [channels.flatMap((c) => taps.map((t) => at(c, t))), taps.flatMap((t) => channels.map((c) => at(c, t)))];
}

/** Whether some input within 0…max makes a pair saturate: a pair is worst where each input helps the sign, or is 0. */
function saturates(order: readonly [number, number][], max: readonly number[]): boolean {
  for (let k = 0; k + 1 < order.length; k += 2) {
    const [[w0, c0], [w1, c1]] = [order[k]!, order[k + 1]!];
    for (const x0 of [0, max[c0]!]) {
      for (const x1 of [0, max[c1]!]) if (maddubs(x0, w0, x1, w1) !== x0 * w0 + x1 * w1) return true;
    }
  }
  return false;
}

const SHAPES: Record<string, Shape> = {
  "Conv 3×3": { opType: "Conv", dims: [8, 3, 3, 3] },
  "Conv 1×1": { opType: "Conv", dims: [8, 6, 1, 1] },
  "grouped Conv": { opType: "Conv", dims: [8, 4, 3, 3], group: 2 },
  "Conv in one dimension": { opType: "Conv", dims: [8, 5, 3] },
  Gemm: { opType: "Gemm", dims: [7, 8] },
  "Gemm, transposed": { opType: "Gemm", dims: [8, 7], transB: true },
  "MatMul with a stack": { opType: "MatMul", dims: [3, 6, 8] },
};

describe("saturationRatios against an emulation of the instruction, pair by pair", () => {
  test.each(Object.keys(SHAPES))("%s", (name) => {
    const shape = SHAPES[name]!;
    let [yes, no] = [0, 0];
    for (let seed = 1; seed <= 12; seed++) {
      const random = createRandom(seed);
      const weights = Int8Array.from({ length: shape.dims.reduce((a, b) => a * b, 1) }, () => random.below(255) - 127);
      const layer = layerOf(shape, weights);
      const max = Array.from({ length: layer.inChannels }, () => 80 + random.below(176 - 8 * seed));
      const ratios = saturationRatios(layer, weights, max);
      expect(ratios).toHaveLength(layer.outChannels);
      for (let out = 0; out < layer.outChannels; out++) {
        const expected = orders(shape, weights, out).some((order) => saturates(order, max));
        expect(ratios[out]! > 1, `seed ${seed}, channel ${out}, ratio ${ratios[out]}`).toBe(expected);
        if (expected) yes++;
        else no++;
      }
    }
    expect(Math.min(yes, no)).toBeGreaterThan(3);
  });

  test("32767 is still exact, one more is not", () => {
    const shape = { opType: "Gemm", dims: [2, 1] };
    const ratio = (w0: number, w1: number, x0: number, x1: number) => {
      const weights = Int8Array.of(w0, w1);
      return saturationRatios(layerOf(shape, weights), weights, [x0, x1])[0]!;
    };
    expect(ratio(127, 7, 252, 109)).toBe(1); // 127·252 + 7·109 = 32767
    expect(ratio(127, 127, 129, 130)).toBeGreaterThan(1);
    expect(ratio(-128, -128, 128, 128)).toBe(1); // −32768
    expect(ratio(127, -127, 255, 255)).toBeLessThan(1); // opposite signs never add up
  });

  test("depthwise and transposed convolutions have kernels that do not saturate", () => {
    const weights = new Int8Array(72).fill(127);
    expect(
      saturationRatios(
        layerOf({ opType: "Conv", dims: [8, 1, 3, 3], group: 8 }, weights),
        weights,
        new Array(8).fill(255),
      ),
    ).toEqual(new Float64Array(8));
    expect(
      saturationRatios(layerOf({ opType: "ConvTranspose", dims: [2, 4, 3, 3] }, weights), weights, [255, 255]),
    ).toEqual(new Float64Array(4));
  });
});

/** A 1×1 Conv whose channel 0 adds 16 large inputs with large weights: exact sums far beyond what 16-bit pairs hold. */
function planted(): Model {
  const { model, builder } = GraphBuilder.model("planted", 17);
  const weights = Float32Array.from({ length: 8 * 16 }, (_, i) => (i < 16 ? 1 : ((i * 7919) % 201) / 100 - 1));
  const input = builder.input("input", ["N", 16, 4, 4]);
  builder.output(
    builder.node(
      "Conv",
      [input, builder.constant(Tensor.float32([8, 16, 1, 1], weights))],
      { kernel_shape: ints([1, 1]) },
      { name: "conv" },
    ),
  );
  return model;
}

const large: Dataset = {
  length: 4,
  shape: [16, 4, 4],
  id: String,
  fill: (index, out, offset) => {
    for (let i = 0; i < 256; i++) out[offset + i] = 1 - ((i + index) % 5) / 100;
  },
};

async function worstSteps(options: QuantizeOptions): Promise<{ steps: number; dtype: string }> {
  const float = planted();
  const calibration = await calibrate(
    float,
    { requests: quantizationRequests(float, options) },
    { runner, data: large },
  );
  const model = cloneModel(float);
  const { encodings, details } = await quantize({ calibration, ...options })(model, {});
  const data = new Float32Array(256);
  await large.fill(0, data, 0);
  const feeds = { input: { dtype: "float32", dims: [1, 16, 4, 4], data } as const };
  const run = async (optimization: "all" | "disabled") => {
    const result = await runner.using(model, (session) => session.run(feeds), { optimization });
    return Object.values(result)[0]!.data as Float32Array;
  };
  const [literal, real] = [await run("disabled"), await run("all")];
  const { scale } = encodings.conv_output!;
  const steps = literal.reduce((worst, x, i) => Math.max(worst, Math.abs(x - real[i]!) / scale), 0);
  return { steps, dtype: details.learnables[0]!.dtype };
}

describe("the kernels of this processor", () => {
  test("auto gives what the graph says, per tensor and per channel", async () => {
    for (const granularity of ["per-tensor", "per-channel"] as const) {
      const { steps } = await worstSteps({ granularity });
      expect(steps).toBeLessThanOrEqual(1.01);
    }
    expect(await worstSteps({ weightStorage: "uint8" })).toMatchObject({ dtype: "uint8" });
  });

  test("int8 is left alone: off by many steps where products saturate, right everywhere else", async () => {
    const { steps, dtype } = await worstSteps({ weightStorage: "int8" });
    expect(dtype).toBe("int8");
    // With VNNI (or on ARM) products are added in 32 bits: then there is nothing to see.
    const saturating = steps > 2;
    expect(saturating ? steps : 21).toBeGreaterThan(20);
  });
});
