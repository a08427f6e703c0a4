import { expect, test } from "vitest";
import { createNode, type Model, parseModel, serializeModel, sortNodes, Tensor } from "../../src/graph/index.js";
import { exportQuantized, fakeQuantizeModel, readQdq } from "../../src/match/index.js";
import { MORE_NETWORKS, outputsOf, quantizeCopy, sqnrDb } from "../quantize/networks.js";

const file = async (name: string, options = {}) =>
  parseModel(serializeModel((await quantizeCopy(MORE_NETWORKS[name]!(), options)).model));

test("AIMET: every value and weight, min = scale·offset, max = scale·(offset + 2^bits − 1)", async () => {
  const model = await file("residual", { granularity: "perChannel", target: "ort-web", activationBits: 6 });
  const { version, activation_encodings, param_encodings } = JSON.parse(exportQuantized(model, "aimet"));
  expect(version).toBe("0.6.1");
  const { activations } = readQdq(model);
  expect(Object.keys(activation_encodings).sort()).toEqual([...activations.keys()].sort());
  for (const [value, [entry]] of Object.entries<Record<string, number>[]>(activation_encodings)) {
    const { scale, offset, min, max, bitwidth } = entry!;
    expect(scale).toBe(activations.get(value)!.scale[0]);
    expect([bitwidth, min, max]).toEqual([6, scale! * offset!, scale! * (offset! + 63)]);
  }
  // One entry a channel; biases follow from the scales and are left out.
  expect(Object.fromEntries(Object.entries<never[]>(param_encodings).map(([name, all]) => [name, all.length]))).toEqual(
    {
      "stem.weight": 6,
      "a.weight": 6,
      "b.weight": 6,
      "c.weight": 6,
      "fc.weight": 4,
    },
  );
});

test("TensorRT: the cache holds max |x| / 127 as the bits of a float32, the ranges max |x|; ONNX Runtime's lowest and highest", async () => {
  const model = await file("inception", { target: "tensorrt" });
  const ranges = JSON.parse(exportQuantized(model, "tensorrt-ranges")) as Record<string, number>;
  const [head, ...lines] = exportQuantized(model, "tensorrt-cache").trimEnd().split("\n");
  expect(head).toMatch(/^TRT-\d+-EntropyCalibration2$/);
  expect(lines.length).toBe(Object.keys(ranges).length);
  const view = new DataView(new ArrayBuffer(4));
  for (const line of lines) {
    const [, name, bits] = /^(.+): ([0-9a-f]{8})$/.exec(line)!;
    view.setUint32(0, Number.parseInt(bits!, 16));
    expect(view.getFloat32(0)).toBe(Math.fround(ranges[name!]! / 127));
  }
  const table = JSON.parse(exportQuantized(model, "ort-calibration"));
  for (const [name, { lowest, highest, CLS }] of Object.entries<{
    lowest: { data: number };
    highest: { data: number };
    CLS: string;
  }>(table)) {
    expect(CLS).toBe("TensorData");
    expect(Math.max(-lowest.data, highest.data)).toBe(ranges[name]);
  }
});

test("OpenVINO: FakeQuantize, computed as its documentation says, gives what the file gives", async () => {
  for (const options of [{}, { granularity: "perChannel" }, { activationBits: 4, weightBits: 4 }]) {
    const model = await file("residual", { ...options, target: "ort-web", bias: "float32" });
    const faked = parseModel(serializeModel(fakeQuantizeModel(model)));
    expect(faked.opsets.get("org.openvinotoolkit")).toBe(1);
    expect(faked.graph.nodes.filter(({ opType }) => /QuantizeLinear/.test(opType))).toEqual([]);
    expect(faked.graph.nodes.filter(({ opType }) => opType === "FakeQuantize").length).toBeGreaterThan(8);
    const actual = await outputsOf(inStandardOperators(faked), { optimization: "disabled" });
    expect(sqnrDb(await outputsOf(model, { optimization: "disabled" }), actual)).toBeGreaterThan(60);
  }
});

/** round((clip(x, low, high) − low) / (high − low) · (levels − 1)) / (levels − 1) · (high − low) + low */
function inStandardOperators(model: Model): Model {
  const { graph } = model;
  graph.nodes = graph.nodes.flatMap((node) => {
    if (node.opType !== "FakeQuantize") return [node];
    const [x, low, high] = node.inputs as [string, string, string];
    const [output] = node.outputs as [string];
    const levels = node.attributes.get("levels") as { type: "int"; value: number };
    const steps = `${output}_steps`;
    graph.initializers.set(steps, Tensor.scalar(Number(levels.value) - 1));
    let last = x;
    const made: ReturnType<typeof createNode>[] = [];
    const op = (opType: string, inputs: string[], to = `${output}_${made.length}`) => {
      made.push(createNode({ opType, inputs, outputs: [to], name: to }));
      last = to;
      return to;
    };
    const range = op("Sub", [high, low]);
    const clipped = op("Max", [op("Min", [x, high]), low]);
    const share = op("Div", [op("Sub", [clipped, low]), range]);
    const rounded = op("Div", [op("Round", [op("Mul", [share, steps])]), steps]);
    op("Add", [op("Mul", [rounded, range]), low], output);
    expect(last).toBe(output);
    return made;
  });
  sortNodes(graph);
  return model;
}

test("C header: the integers of the file, scales that read back as they were, shifts where scales are powers of two", async () => {
  const model = await file("chain", { target: "fpga" });
  const text = exportQuantized(model, "c-header");
  const arrays = new Map(
    [...text.matchAll(/static const (\w+) (\w+)\[(\d+)\] = \{ (.*) \};/g)].map(([, type, name, count, values]) => {
      const numbers = values!.split(", ").map((value) => Number(value.replace(/f$/, "")));
      expect(numbers.length).toBe(Number(count));
      return [name!, { type, numbers }];
    }),
  );
  const { constants, activations } = readQdq(model);
  for (const { stem, data, encoding } of constants.values()) {
    const name = stem.replace(/\W/g, "_");
    expect(arrays.get(name)).toEqual({ type: `${data.dtype}_t`, numbers: data.numbers() });
    expect(arrays.get(`${name}_scale`)!.numbers.map(Math.fround)).toEqual([...encoding.scale]);
    expect(arrays.get(`${name}_scale_log2`)!.numbers).toEqual(Array.from(encoding.scale, Math.log2));
  }
  for (const value of activations.keys()) expect(arrays.has(`${value.replace(/\W/g, "_")}_scale_log2`)).toBe(true);
  expect(exportQuantized(await file("chain"), "c-header")).not.toContain("scale_log2");
});

test("a float model is refused", () => {
  for (const name of ["aimet", "c-header"] as const) {
    expect(() => exportQuantized(MORE_NETWORKS.chain!(), name)).toThrow(expect.objectContaining({ code: "E4005" }));
  }
});
