import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { calibrate } from "../../src/calibrate/index.js";
import { type Attribute, float, GraphBuilder, int, ints, type Model, Tensor } from "../../src/graph/index.js";
import { createRandom, encodingFromRange } from "../../src/math/index.js";
import { forEachWeight, type LinearLayer, linearLayers } from "../../src/operators/index.js";
import {
  type BiasFormat,
  dequantizeTensor,
  planQuantization,
  type QuantizeOptions,
  quantizationRequests,
  resolveQuantizeOptions,
} from "../../src/quantize/index.js";
import { quantizeParameters } from "../../src/quantize/parameters.js";
import { runner } from "../helpers/runner.js";
import { dataset, MORE_NETWORKS, quantizeCopy } from "./networks.js";

const INPUT = encodingFromRange({ min: -1, max: 1.5 }, { signed: false, symmetric: false });

/** One layer with random weights whose output channels differ 100 times in size. */
function layerOf(
  opType: string,
  dims: number[],
  seed = 1,
  group = 1,
  bias = true,
): { model: Model; layer: LinearLayer } {
  const { model, builder } = GraphBuilder.model("layer", 17);
  const random = createRandom(seed);
  const weight = builder.constant(
    Tensor.float32(
      dims,
      Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random.normal()),
    ),
    "w",
  );
  const attributes: Record<string, Attribute> =
    opType === "Gemm" ? { transB: int(seed % 2) } : opType === "MatMul" ? {} : { group: int(group) };
  const node = builder.nodes(opType, [builder.input("input", []), weight], attributes, { name: "layer" });
  const [plain] = linearLayers(model.graph) as [LinearLayer];
  const values = Float32Array.from(plain.tensor.array() as Float32Array);
  forEachWeight(plain, (flat, out) => {
    values[flat] = values[flat]! * 10 ** (out % 3);
  });
  model.graph.initializers.set(weight, Tensor.float32(dims, values));
  if (bias)
    node.inputs.push(
      builder.constant(
        Tensor.float32(
          [plain.outChannels],
          Float32Array.from({ length: plain.outChannels }, () => random.normal()),
        ),
        "b",
      ),
    );
  return { model, layer: (linearLayers(model.graph) as [LinearLayer])[0] };
}

const quantized = ({ model, layer }: ReturnType<typeof layerOf>, options: QuantizeOptions = {}, input = INPUT) =>
  quantizeParameters(model.graph, layer, input, resolveQuantizeOptions({ weightStorage: "int8", ...options }));

const LAYERS: Record<string, () => ReturnType<typeof layerOf>> = {
  Conv: () => layerOf("Conv", [6, 4, 3, 3]),
  "Conv in one dimension": () => layerOf("Conv", [6, 4, 5]),
  "grouped Conv": () => layerOf("Conv", [6, 2, 3, 3], 1, 2),
  "depthwise Conv": () => layerOf("Conv", [6, 1, 3, 3], 1, 6),
  ConvTranspose: () => layerOf("ConvTranspose", [4, 6, 3, 3]),
  "grouped ConvTranspose": () => layerOf("ConvTranspose", [4, 3, 3, 3], 1, 2),
  Gemm: () => layerOf("Gemm", [5, 6], 2),
  "Gemm, transposed": () => layerOf("Gemm", [6, 5], 1),
  MatMul: () => layerOf("MatMul", [5, 6], 1, 1, false),
};

describe("weights", () => {
  test.each(Object.keys(LAYERS))(
    "%s per channel: every channel uses its whole range, and no error exceeds half a step",
    (name) => {
      const made = LAYERS[name]!();
      const { layer } = made;
      const { weight } = quantized(made, { granularity: "per-channel" });
      const integers = weight.data.array() as Int8Array;
      const back = dequantizeTensor(weight.data, weight.encoding).array() as Float32Array;
      const values = layer.tensor.array() as Float32Array;
      const largest = new Map<number, number>();
      // Channels of a grouped ConvTranspose share the scale of their place in the group: there is one for each index of the axis.
      const scales = layer.tensor.dims[layer.outAxis]!;
      expect(weight.encoding.scale).toHaveLength(scales);
      forEachWeight(layer, (flat, out) => {
        const scale = weight.encoding.scale[out % scales]!;
        expect(Math.abs(back[flat]! - values[flat]!)).toBeLessThanOrEqual(0.5001 * scale);
        expect(back[flat]).toBe(Math.fround(integers[flat]! * scale));
        largest.set(out % scales, Math.max(largest.get(out % scales) ?? 0, Math.abs(integers[flat]!)));
      });
      expect([...largest.values()]).toEqual(new Array(scales).fill(127));
    },
  );

  test.each([2, 3, 4, 5, 6, 7, 8, 9, 12, 16])(
    "%i bits, symmetric or not, stay within their range and use it",
    (weightBits) => {
      for (const weightSymmetric of [true, false]) {
        const made = layerOf("Conv", [8, 4, 3, 3], 3);
        const { weight } = quantized(made, { weightBits, weights: weightSymmetric ? "int8" : "uint8" });
        const integers = [...(weight.data.array() as Int8Array)];
        const highest = 2 ** (weightBits - 1) - 1;
        const [low, high] = weightSymmetric ? [-highest, highest] : [0, 2 ** weightBits - 1];
        expect(Math.min(...integers)).toBeGreaterThanOrEqual(low);
        expect(Math.max(...integers)).toBeLessThanOrEqual(high);
        expect(Math.max(...integers.map((q) => (weightSymmetric ? Math.abs(q) : q)))).toBe(high);
        expect(weight.data.dtype).toBe(`${weightSymmetric ? "" : "u"}int${weightBits > 8 ? 16 : 8}`);
      }
    },
  );

  test("all-zero weights and an all-zero channel", () => {
    const { model, layer } = layerOf("Conv", [3, 2, 1, 1]);
    const set = (values: number[]) => {
      model.graph.initializers.set(layer.weight, Tensor.float32([3, 2, 1, 1], values));
      return { model, layer: (linearLayers(model.graph) as [LinearLayer])[0] };
    };
    expect([...(quantized(set([0, 0, 0, 0, 0, 0])).weight.data.array() as Int8Array)]).toEqual([0, 0, 0, 0, 0, 0]);
    const { weight, bias } = quantized(set([1, -2, 0, 0, 4, 1]), { granularity: "per-channel" });
    expect([...(weight.data.array() as Int8Array)]).toEqual([64, -127, 0, 0, 127, 32]);
    expect(weight.encoding.scale[1]).toBe(weight.encoding.scale[2]);
    expect([...bias!.encoding!.scale].every((scale) => scale > 0)).toBe(true);
  });

  test("uint8 storage holds the same values with zero point 128", () => {
    const made = layerOf("Conv", [4, 4, 3, 3]);
    const signed = quantized(made).weight;
    const unsigned = quantized(made, { weightStorage: "uint8" }).weight;
    expect(unsigned.data.dtype).toBe("uint8");
    expect(new Set(unsigned.encoding.zeroPoint)).toEqual(new Set([128]));
    expect(dequantizeTensor(unsigned.data, unsigned.encoding).bytes()).toEqual(
      dequantizeTensor(signed.data, signed.encoding).bytes(),
    );
  });
});

describe("biases", () => {
  test("int32 lies on the grid scale_x·scale_w, within half a unit", () => {
    for (const granularity of ["per-tensor", "per-channel"] as const) {
      const made = layerOf("Conv", [6, 2, 3, 3], 1, 2);
      const { weight, bias } = quantized(made, { granularity, bias: "int32" });
      const values = made.model.graph.initializers.get("b")!.numbers();
      const integers = bias!.data!.array() as Int32Array;
      values.forEach((value, c) => {
        const at = granularity === "per-tensor" ? 0 : c;
        const scale = Math.fround(weight.encoding.scale[at]! * INPUT.scale[0]!);
        expect(bias!.encoding!.scale[at]).toBe(scale);
        expect(Math.abs(integers[c]! * scale - value)).toBeLessThanOrEqual(0.5001 * scale);
      });
    }
  });

  test.each([
    ["int16", 32767],
    ["int8", 127],
  ] as [BiasFormat, number][])("%s is one tensor of that type on one grid, max |b|/%i", (format, top) => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: -1000, max: 1000, noNaN: true }), { minLength: 6, maxLength: 6 }),
        fc.constantFrom("per-tensor" as const, "per-channel" as const),
        fc.boolean(),
        (values, granularity, powerOfTwo) => {
          const made = layerOf("Conv", [6, 2, 3, 3], 1, 2);
          made.model.graph.initializers.set("b", Tensor.float32([6], values));
          const { bias } = quantized(made, { granularity, bias: format, powerOfTwo });
          const { encoding, data } = bias!;
          expect([data!.dtype, encoding!.dtype, encoding!.axis, encoding!.scale.length]).toEqual([
            format,
            format,
            null,
            1,
          ]);
          const most = Math.max(...values.map(Math.abs));
          const scale = encoding!.scale[0]!;
          if (powerOfTwo) expect(Number.isInteger(Math.log2(scale))).toBe(true);
          else if (most > 1e-30) expect(scale).toBe(Math.fround(most / top));
          data!.numbers().forEach((q, c) => {
            expect(Math.abs(q)).toBeLessThanOrEqual(top);
            expect(Math.abs(q * scale - values[c]!)).toBeLessThanOrEqual(0.5001 * scale);
          });
        },
      ),
      { seed: 5, numRuns: 100 },
    );
  });

  test("float biases are left alone; a layer without bias has none", () => {
    expect(quantized(layerOf("Conv", [4, 4, 1, 1]), { bias: "float32" }).bias).toEqual({});
    expect(quantized(layerOf("Conv", [4, 4, 1, 1], 1, 1, false)).bias).toBeUndefined();
  });

  test("a bias beyond 32 bits raises the scale of its channel, which is reported", () => {
    const made = layerOf("Conv", [3, 2, 1, 1]);
    made.model.graph.initializers.set("w", Tensor.float32([3, 2, 1, 1], [1, 1, 1e-9, 1e-9, 1, 1]));
    made.model.graph.initializers.set("b", Tensor.float32([3], [0.5, 4, -0.5]));
    const layer = (linearLayers(made.model.graph) as [LinearLayer])[0];
    for (const powerOfTwo of [false, true]) {
      const input = encodingFromRange({ min: 0, max: 2 }, { signed: false, symmetric: false, powerOfTwo });
      const { weight, bias, raisedChannels } = quantized(
        { model: made.model, layer },
        { granularity: "per-channel", powerOfTwo },
        input,
      );
      expect(raisedChannels).toEqual([1]);
      const [q] = [(bias!.data!.array() as Int32Array)[1]!];
      expect(q).toBeLessThanOrEqual(2 ** 30 + 1);
      expect(q * bias!.encoding!.scale[1]!).toBeCloseTo(4, 5);
      if (powerOfTwo) expect(Number.isInteger(Math.log2(weight.encoding.scale[1]!))).toBe(true);
      expect((weight.data.array() as Int8Array)[2]).toBe(0);
    }
  });

  test("weights so small that scale_x·scale_w would be no normal number", () => {
    const made = layerOf("Conv", [2, 1, 1, 1]);
    made.model.graph.initializers.set("w", Tensor.float32([2, 1, 1, 1], [1e-37, 1]));
    made.model.graph.initializers.set("b", Tensor.float32([2], [0, 1]));
    const layer = (linearLayers(made.model.graph) as [LinearLayer])[0];
    const { bias } = quantized({ model: made.model, layer }, { granularity: "per-channel" });
    expect((bias!.data!.array() as Int32Array)[0]).toBe(0);
  });

  test("the report names the layer and the channels", async () => {
    const model = MORE_NETWORKS.chain!();
    const name = "a.weight";
    const tensor = model.graph.initializers.get(name)!;
    model.graph.initializers.set(
      name,
      Tensor.float32(
        tensor.dims,
        (tensor.array() as Float32Array).map((x, at) => (at < 27 ? x * 1e-12 : x)),
      ),
    );
    const { report } = await quantizeCopy(model, { granularity: "per-channel" });
    expect(report.raisedScales).toEqual([{ layer: "a", channels: [0] }]);
  });
});

describe("scales that are powers of two", () => {
  test("all of them are, exactly: weights, activations, biases, constants", async () => {
    for (const name of Object.keys(MORE_NETWORKS)) {
      const float = MORE_NETWORKS[name]!();
      const options: QuantizeOptions = { powerOfTwo: true, granularity: "per-channel" };
      const calibration = await calibrate(
        float,
        { requests: quantizationRequests(float, options) },
        { runner, data: dataset },
      );
      const { activations, parameters, constants } = planQuantization(float, calibration, options);
      const encodings = [
        ...activations.values(),
        ...parameters.flatMap(({ weight, bias }) => [weight.encoding, ...(bias?.encoding ? [bias.encoding] : [])]),
        ...constants.map(({ encoding }) => encoding),
      ];
      for (const { scale } of encodings)
        for (const step of scale) expect(Number.isInteger(Math.log2(step)), name).toBe(true);
    }
  });
});

describe("weights that several layers read", () => {
  test("are stored once where the encodings are equal, and the float ones are gone", async () => {
    const { model, float } = await quantizeCopy(MORE_NETWORKS.shared!(), { weightStorage: "int8" });
    const stored = [...model.graph.initializers].filter(([name]) => name.startsWith("shared.weight"));
    expect(stored.map(([name, { dtype }]) => `${name} ${dtype}`).sort()).toEqual([
      "shared.weight_q int8",
      "shared.weight_s float32",
      "shared.weight_z int8",
    ]);
    expect(float.graph.initializers.has("shared.weight")).toBe(true);
  });

  test("stay float for whoever reads them in float", async () => {
    const { model: both, builder } = GraphBuilder.model("both", 17);
    const weight = builder.constant(Tensor.float32([3, 3, 1, 1], new Float32Array(9).fill(0.25)), "w");
    const input = builder.input("input", ["N", 3, 8, 8]);
    builder.output(builder.node("Conv", [input, weight], { kernel_shape: ints([1, 1]) }));
    builder.output(builder.node("LeakyRelu", [weight], { alpha: float(0.1) }));
    const { model } = await quantizeCopy(both);
    expect(model.graph.initializers.has("w")).toBe(true);
  });
});

test("a depthwise layer of one weight a channel has a scale a channel, however far its weights lie apart", () => {
  const { model, layer } = layerOf("Conv", [6, 1, 1, 1], 3, 6);
  const encodingOf = (options: QuantizeOptions) =>
    quantizeParameters(model.graph, layer, INPUT, resolveQuantizeOptions(options)).weight;
  const { encoding, data } = encodingOf({ granularity: "per-tensor" });
  expect(encoding.axis).toBe(0);
  const weights = layer.tensor.numbers();
  dequantizeTensor(data, encoding)
    .numbers()
    .forEach((value, at) => {
      expect(Math.abs(value / weights[at]! - 1)).toBeLessThan(1e-6);
    });
  expect(encodingOf({ granularity: "per-tensor", target: "hailo" }).encoding.axis).toBeNull();
});
