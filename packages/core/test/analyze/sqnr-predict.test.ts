import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { optimalRatio, weightSqnr } from "../../src/analyze/index.js";
import type { MeasuredLayer } from "../../src/analyze/sqnr-layers.js";
import { predictFromRanges, predictFromWeights } from "../../src/analyze/sqnr-predict.js";
import { createGraph, createNode, int, ints, string, Tensor } from "../../src/graph/index.js";
import { encodingFromRange, encodingFromScale, quantizeValues } from "../../src/math/index.js";
import { coverage, linearLayerOf } from "../../src/operators/index.js";

/** A Conv of a weight tensor, with int8 weights at the given scales and, if asked for, an output encoding of that step. */
function measured(
  dims: readonly number[],
  weights: readonly number[],
  scales: readonly number[],
  { group = 1, outputScale }: { group?: number; outputScale?: number } = {},
): MeasuredLayer {
  const graph = createGraph("layer");
  const tensor = Tensor.float32(dims, weights);
  graph.initializers.set("w", tensor);
  const node = createNode({ opType: "Conv", inputs: ["x", "w"], outputs: ["y"], attributes: { group: int(group) } });
  const layer = linearLayerOf(graph, node)!;
  const encoding = encodingFromScale({
    scale: scales,
    dtype: "int8",
    axis: scales.length > 1 ? 0 : null,
    narrow: true,
  });
  const integers = quantizeValues(tensor.array() as Float32Array, encoding, { dims });
  return {
    name: "layer",
    layer,
    parameters: {
      layer,
      weight: { encoding, data: Tensor.of("int8", dims, integers) },
      bias: undefined,
      raisedChannels: [],
    },
    bias: undefined,
    activations: [],
    value: "y",
    encoding: outputScale === undefined ? undefined : encodingFromScale({ scale: [outputScale], dtype: "uint8" }),
  };
}

const statistics = (inputMean: number[], inputPower: number[], signal: number[], free?: number[]) => ({
  inputMean: Float64Array.from(inputMean),
  inputPower: Float64Array.from(inputPower),
  signal: Float64Array.from(signal),
  free: Float64Array.from(free ?? signal.map(() => 1)),
});

describe("prediction from ranges, eqs. (5) and (6)", () => {
  it("two inputs, three outputs, kernel of two taps, by hand", () => {
    const layer = measured([3, 2, 2], new Array(12).fill(1), [0.5], { outputScale: 0.12 });
    const noise = predictFromRanges(layer, statistics([0, 0], [4, 8], [1, 1, 1]));
    // 2 taps · (4 + 8) · 0.5²/12 = 0.5; 0.12²/12 = 0.0012.
    for (const value of noise.weights) expect(value).toBeCloseTo(0.5, 12);
    for (const value of noise.activations!) expect(value).toBeCloseTo(0.0012, 8);
  });

  it("per channel and by group: each output with its own scale and its own inputs", () => {
    const layer = measured([4, 1, 1], [1, 1, 1, 1], [0.1, 0.2, 0.3, 0.4], { group: 2 });
    const noise = predictFromRanges(layer, statistics([0, 0], [3, 12], [1, 1, 1, 1]));
    const expected = [(3 * 0.01) / 12, (3 * 0.04) / 12, (12 * 0.09) / 12, (12 * 0.16) / 12];
    for (const [c, value] of noise.weights.entries()) expect(value).toBeCloseTo(expected[c]!, 6);
    expect(noise.activations).toBeUndefined();
  });
});

describe("prediction from weights", () => {
  const positions = { input: [4], output: [4] };

  it("errors times variance, plus the squared offset that their mean makes, by hand", () => {
    // Steps of 1: errors −0.25 and 0.25 for output 0, 0.25 and 0.25 for output 1.
    const layer = measured([2, 2, 1], [0.75, 1.25, 2.25, 3.25], [1]);
    const noise = predictFromWeights(layer, statistics([2, 4], [5, 20], [1, 1]), positions);
    // Variances 1 and 4: (1 + 4)/16; offsets (−2 + 4)/4 and (2 + 4)/4.
    expect(noise.weights[0]!).toBeCloseTo(5 / 16 + 0.5 ** 2, 12);
    expect(noise.weights[1]!).toBeCloseTo(5 / 16 + 1.5 ** 2, 12);
  });

  it("a cut-off share of the values carries no noise; a channel within half a step loses its signal, not more", () => {
    const layer = measured([2, 1, 1], [0.75, 0.75], [1], { outputScale: 2 });
    const noise = predictFromWeights(layer, statistics([0], [1], [0.01, 100], [0.5, 0.25]), positions);
    expect(noise.weights[0]!).toBeCloseTo(0.5 / 16, 12);
    expect([...noise.activations!]).toEqual([0.01, 0.25 * (4 / 12)]);
  });

  it("weights on the grid make no noise whatever their range says", () => {
    const layer = measured([1, 2, 1], [3, -7], [1]);
    expect([...predictFromWeights(layer, statistics([1, 1], [2, 2], [1]), positions).weights]).toEqual([0]);
  });
});

describe("coverage", () => {
  it("counts taps inside the input, as walking them does (seed 5)", () => {
    const size = fc.integer({ min: 1, max: 9 });
    const cases = fc.record({
      size,
      kernel: fc.integer({ min: 1, max: 4 }),
      stride: fc.integer({ min: 1, max: 3 }),
      dilation: fc.integer({ min: 1, max: 2 }),
      pads: fc.tuple(fc.nat(2), fc.nat(2)),
    });
    fc.assert(
      fc.property(cases, ({ size: input, kernel, stride, dilation, pads }) => {
        const reach = (kernel - 1) * dilation + 1;
        const output = Math.floor((input + pads[0] + pads[1] - reach) / stride) + 1;
        fc.pre(output >= 1);
        // Ones where the input is, zeros in its padding: the mean of a convolution with ones.
        const padded = [...new Array(pads[0]).fill(0), ...new Array(input).fill(1), ...new Array(pads[1] + 9).fill(0)];
        let sum = 0;
        for (let o = 0; o < output; o++) for (let k = 0; k < kernel; k++) sum += padded[o * stride + k * dilation];
        const { layer } = measured([1, 1, kernel], new Array(kernel).fill(1), [1]);
        layer.node.attributes.set("strides", ints([stride]));
        layer.node.attributes.set("dilations", ints([dilation]));
        layer.node.attributes.set("pads", ints([...pads]));
        expect(coverage(layer, { input: [input], output: [output] })).toBeCloseTo(sum / (output * kernel), 12);
      }),
      { seed: 5, numRuns: 200 },
    );
  });

  it("SAME puts the odd padding behind or before", () => {
    const { layer } = measured([1, 1, 2], [1, 1], [1]);
    layer.node.attributes.set("auto_pad", string("SAME_UPPER"));
    // Four positions of two taps, one of which reads padding.
    expect(coverage(layer, { input: [4], output: [4] })).toBe(7 / 8);
    layer.node.attributes.set("auto_pad", string("SAME_LOWER"));
    expect(coverage(layer, { input: [4], output: [4] })).toBe(7 / 8);
  });
});

describe("weightSqnr", () => {
  it("ΣW²/ΣΔW² by hand", () => {
    const { measured: ratio, uniform } = weightSqnr(measured([2, 2, 1], [0.75, 2, -3.25, 4], [1]));
    // Signal 0.5625 + 4 + 10.5625 + 16; errors 0.25² twice; uniform 4/12.
    expect(ratio).toBeCloseTo(31.125 / 0.125, 9);
    expect(uniform).toBeCloseTo(31.125 / (4 / 12), 9);
    expect(weightSqnr(measured([1, 2, 1], [3, -7], [1])).measured).toBe(Number.POSITIVE_INFINITY);
  });

  it("optimal equalization is what scaling all channels to one extremum gives (seed 8)", () => {
    const value = fc.double({ min: -3, max: 3, noNaN: true }).filter((x) => x === 0 || Math.abs(x) > 1e-3);
    const channel = fc.array(value, { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(channel, { minLength: 1, maxLength: 5 }), (channels) => {
        const alive = channels.filter((weights) => weights.some((x) => x !== 0));
        fc.pre(alive.length > 0);
        const scaleOf = (weights: readonly number[][]) => [Math.max(...weights.flat().map(Math.abs)) / 127] as const;
        const { optimal, uniform } = weightSqnr(measured([channels.length, 4, 1], channels.flat(), scaleOf(channels)));
        const equalized = alive.map((weights) => weights.map((x) => x / Math.max(...weights.map(Math.abs))));
        const reached = weightSqnr(measured([alive.length, 4, 1], equalized.flat(), scaleOf(equalized)));
        expect(optimal / reached.uniform).toBeCloseTo(1, 4);
        // No scaling of channels can make it worse than it is, dead channels aside.
        if (alive.length === channels.length) expect(optimal).toBeGreaterThanOrEqual(uniform * 0.9999);
      }),
      { seed: 8, numRuns: 100 },
    );
  });

  it("activations: asymmetric ranges count from lowest to highest", () => {
    const encoding = encodingFromRange({ min: -1, max: 3 }, { signed: false, symmetric: false });
    const channels = [
      { power: 2, count: 1, top: 3, bottom: 1 },
      { power: 0.5, count: 1, top: 1, bottom: 1 },
    ];
    // (2/4² + 0.5/2²)·12·255²/2
    expect(optimalRatio(channels, encoding)).toBeCloseTo(0.25 * 6 * 255 ** 2, 6);
    expect(optimalRatio([{ power: 0, count: 1, top: 0, bottom: 0 }], encoding)).toBe(Number.POSITIVE_INFINITY);
  });
});
