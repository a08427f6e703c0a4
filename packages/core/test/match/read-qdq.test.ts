import { describe, expect, it } from "vitest";
import { randomDataset } from "../../src/data/index.js";
import { cloneModel, createNode, labelOf, type Model } from "../../src/graph/index.js";
import { filePlan, matchLayers, readQdq } from "../../src/match/index.js";
import type { QuantizationPlan, QuantizeOptions } from "../../src/quantize/index.js";
import { NETWORKS } from "../helpers/networks.js";
import { quantized } from "../helpers/quantized.js";

const DATA = randomDataset([3, 8, 8], 8, 5, { min: -1, max: 1 });

const OPTIONS: Readonly<Record<string, QuantizeOptions>> = {
  "per tensor": {},
  "per channel": { granularity: "per-channel" },
  "weights of 5 bits, int8 activations of 6": { weightBits: 5, activations: "int8", activationBits: 6 },
  "16 bits": { weightBits: 16, activations: "uint16" },
  "float biases": { bias: "float32" },
  "uint8 weights": { weightStorage: "uint8", target: "ort-cpu" },
};

/** What a plan says of its layers and constants, without where it came from. */
function facts(plan: QuantizationPlan) {
  return plan.parameters.map(({ layer, weight, bias }) => ({
    output: layer.output,
    scale: [...weight.encoding.scale],
    zeroPoint: [...weight.encoding.zeroPoint],
    axis: weight.encoding.axis,
    integers: weight.data.numbers(),
    bias: bias?.data && bias.data.dtype !== "float32" ? bias.data.numbers() : undefined,
  }));
}

function read(file: Model, float: Model): ReturnType<typeof filePlan> {
  const qdq = readQdq(file);
  return filePlan(qdq, float, matchLayers(qdq, float.graph));
}

describe("a plan read from our own file is the plan that made it", () => {
  for (const [network, build] of Object.entries(NETWORKS)) {
    for (const [kind, options] of Object.entries(OPTIONS)) {
      it(`${network}, ${kind}`, async () => {
        const float = build();
        const { model, plan } = await quantized(cloneModel(float), DATA, options);
        const found = read(model, float);
        expect(found.unmatched).toEqual([]);
        expect(found.plan.placement.skipped).toEqual([]);
        expect(facts(found.plan)).toEqual(facts(plan));
        // Constants beside activations are stored as integers, not behind a pair.
        const expected = [...plan.activations].filter(([value]) => !float.graph.initializers.has(value));
        expect(new Set(found.plan.activations.keys())).toEqual(new Set(expected.map(([value]) => value)));
        for (const [value, encoding] of expected) {
          const { scale, zeroPoint, dtype, bits, qmin, qmax } = encoding;
          expect(found.plan.activations.get(value), value).toMatchObject({ scale, zeroPoint, dtype, bits, qmin, qmax });
        }
        for (const [at, { weight }] of found.plan.parameters.entries()) {
          // A scale raised for the bias leaves levels unused, which a file does not tell from fewer bits.
          if (plan.parameters[at]!.raisedChannels.length > 0) continue;
          expect(weight.encoding.qmax).toBe(plan.parameters[at]!.weight.encoding.qmax);
        }
      });
    }
  }
});

describe("readQdq refuses and reports", () => {
  it("a float model, and forms without pairs", async () => {
    const float = NETWORKS.chain!();
    expect(() => readQdq(float)).toThrow(/no DequantizeLinear/);
    const { model } = await quantized(cloneModel(float), DATA, {});
    model.graph.nodes.find(({ opType }) => opType === "Conv")!.opType = "QLinearConv";
    expect(() => readQdq(model)).toThrow(/QLinearConv, expected Q\/DQ pairs/);
  });

  it("an activation with one scale a channel, and what an integer operator makes", async () => {
    const { model } = await quantized(NETWORKS.chain!(), DATA, {});
    const { nodes } = model.graph;
    const pair = nodes.find(({ opType }) => opType === "QuantizeLinear")!;
    const reader = nodes.find(({ inputs }) => inputs[0] === pair.outputs[0])!;
    const between = createNode({ opType: "MaxPool", inputs: [pair.outputs[0]!], outputs: ["between"], name: "pool8" });
    nodes.splice(nodes.indexOf(reader), 0, between);
    reader.inputs[0] = "between";
    const { skipped } = readQdq(model);
    expect(skipped).toEqual([
      { node: labelOf(reader), opType: "DequantizeLinear", reason: expect.stringContaining("integer operator") },
    ]);
  });

  it("the encoding of a Relu in front of it too is read once, behind it", async () => {
    const float = NETWORKS.chain!();
    const { model, plan } = await quantized(cloneModel(float), DATA, {});
    const { nodes } = model.graph;
    const relu = nodes.find(({ opType }) => opType === "Relu")!;
    const behind = nodes.find(({ opType, inputs }) => opType === "QuantizeLinear" && inputs[0] === relu.outputs[0])!;
    const [value, scale, zeroPoint] = [relu.inputs[0]!, ...behind.inputs.slice(1)] as [string, string, string];
    nodes.splice(
      nodes.indexOf(relu),
      0,
      createNode({ opType: "QuantizeLinear", inputs: [value, scale, zeroPoint], outputs: ["early"], name: "q" }),
      createNode({ opType: "DequantizeLinear", inputs: ["early", scale, zeroPoint], outputs: ["late"], name: "dq" }),
    );
    relu.inputs[0] = "late";
    expect(readQdq(model).activations.has(value)).toBe(true);
    expect(new Set(read(model, float).plan.activations.keys())).toEqual(new Set(plan.activations.keys()));
  });

  it("leaves the file alone, and the skeleton computes with its weights", async () => {
    const { model } = await quantized(NETWORKS.residual!(), DATA, {});
    const before = model.graph.nodes.length;
    const { skeleton } = readQdq(model);
    expect(model.graph.nodes).toHaveLength(before);
    expect(skeleton.graph.nodes.some(({ opType }) => /Quantize/.test(opType))).toBe(false);
    expect(skeleton.graph.outputs.map(({ name }) => name)).toEqual(model.graph.outputs.map(({ name }) => name));
  });
});

describe("matchLayers", () => {
  it("finds layers whose names are all different by order, and says what it cannot find", async () => {
    const float = NETWORKS.inception!();
    const { model } = await quantized(cloneModel(float), DATA, {});
    const renamed = cloneModel(float);
    const { graph } = renamed;
    const name = (value: string) =>
      value === "" || graph.inputs.some((input) => input.name === value) ? value : `x/${value}`;
    graph.initializers = new Map([...graph.initializers].map(([key, tensor]) => [name(key), tensor]));
    for (const node of graph.nodes) {
      node.name = `x/${node.name}`;
      node.inputs = node.inputs.map(name);
      node.outputs = node.outputs.map(name);
    }
    graph.outputs = graph.outputs.map((output) => ({ ...output, name: name(output.name) }));
    const qdq = readQdq(model);
    const { pairs, skipped } = matchLayers(qdq, graph);
    expect(skipped).toEqual([]);
    expect(pairs.every(({ by }) => by === "order")).toBe(true);
    for (const { file, float: other } of pairs) expect(`x/${file.node.name}`).toBe(other.node.name);
    // Every encoding finds its value by structure.
    const { plan, unmatched } = filePlan(qdq, renamed, { pairs, skipped });
    expect(unmatched).toEqual([]);
    for (const value of qdq.activations.keys()) expect(plan.activations.has(name(value))).toBe(true);

    graph.nodes = graph.nodes.filter(({ name }) => name !== "x/l2");
    expect(matchLayers(qdq, graph).skipped).toEqual([
      {
        node: expect.any(String),
        opType: "Conv",
        reason: expect.stringMatching(/no Conv left with a weight of \[4, 4, 3, 3\]/),
      },
    ]);
  });
});
