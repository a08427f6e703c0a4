import { expect, test } from "vitest";
import {
  type Int8Coverage,
  int8Coverage,
  isQuantized,
  type MacsReport,
  type Model,
  macsOf,
  measuredCoverage,
  observeShapes,
  zeroFeeds,
} from "../../src/lab.js";
import { optimizedModel } from "../../src/node.js";
import { runner } from "../helpers/runner.js";
import { QdqBuilder, transB } from "./qdq-models.js";

async function macsReport(model: Model): Promise<MacsReport> {
  return macsOf(model, await observeShapes(model, zeroFeeds(model), { runner }));
}

async function bothCoverages(model: Model): Promise<{ graph: Int8Coverage; runtime: Int8Coverage }> {
  const macs = await macsReport(model);
  const runtime = await measuredCoverage(model, macs, (copy) => optimizedModel(runner, copy));
  return { graph: int8Coverage(model, macs), runtime: runtime! };
}

const SHAPE = [4, 6, 6] as const;
const WEIGHT = [4, 4, 3, 3];

interface Case {
  readonly name: string;
  readonly build: (b: QdqBuilder) => Model;
  /** Operators of the layers that stay in float, and why. */
  readonly float: readonly [opType: string, reason: string | RegExp][];
}

function relu6(b: QdqBuilder, value: string): string {
  return b.node("Clip", [value, b.builder.constant(0), b.builder.constant(6)]);
}

const CASES: readonly Case[] = [
  {
    name: "Conv between Q/DQ, with int32 bias",
    build: (b) => b.output(b.qdq(b.conv(b.qdq(b.input(...SHAPE)), b.integers(WEIGHT), b.integers([4], "int32", 3e-4)))),
    float: [],
  },
  {
    name: "Conv without bias, Relu that the zero point makes superfluous",
    build: (b) =>
      b.output(b.qdq(b.node("Relu", [b.conv(b.qdq(b.input(...SHAPE)), b.integers(WEIGHT))]), 0.03, "uint8", 0)),
    float: [],
  },
  {
    name: "Relu that cuts what QuantizeLinear keeps",
    build: (b) =>
      b.output(b.qdq(b.node("Relu", [b.conv(b.qdq(b.input(...SHAPE)), b.integers(WEIGHT))]), 0.03, "uint8", 3)),
    float: [["Conv", /^the Relu behind it is no part/]],
  },
  {
    name: "Clip 0 to 6 at scale 6/255",
    build: (b) => b.output(b.qdq(relu6(b, b.conv(b.qdq(b.input(...SHAPE)), b.integers(WEIGHT))), 6 / 255, "uint8", 0)),
    float: [],
  },
  {
    name: "Clip 0 to 6 at a range up to 6.1",
    build: (b) =>
      b.output(b.qdq(relu6(b, b.conv(b.qdq(b.input(...SHAPE)), b.integers(WEIGHT))), 6.1 / 255, "uint8", 0)),
    float: [["Conv", /^the Clip behind it is no part/]],
  },
  {
    name: "Conv with float output",
    build: (b) => b.output(b.conv(b.qdq(b.input(...SHAPE)), b.integers(WEIGHT))),
    float: [["Conv", "its output is the model's output in float"]],
  },
  {
    name: "Conv read in float by Sigmoid, behind a Relu",
    build: (b) =>
      b.output(b.node("Exp", [b.node("Relu", [b.conv(b.qdq(b.input(...SHAPE)), b.integers(WEIGHT))])], {}, "exp")),
    float: [["Conv", 'its output is read in float by "exp" (Exp)']],
  },
  {
    name: "Conv on a float input",
    build: (b) => b.output(b.qdq(b.conv(b.input(...SHAPE), b.integers(WEIGHT)))),
    float: [["Conv", "its input is not quantized"]],
  },
  {
    name: "Conv on 16-bit activations",
    build: (b) => b.output(b.qdq(b.conv(b.qdq(b.input(...SHAPE), 0.03, "uint16"), b.integers(WEIGHT)), 0.03, "uint16")),
    float: [["Conv", "its input is uint16"]],
  },
  {
    name: "Gemm and MatMul, last one with float output",
    build: (b) => {
      const x = b.qdq(b.input(16));
      const hidden = b.node("Gemm", [x, b.integers([8, 16]), b.integers([8], "int32", 3e-4)], transB);
      return b.output(b.node("MatMul", [b.qdq(hidden), b.integers([8, 5])]));
    },
    float: [],
  },
  {
    name: "ConvTranspose",
    build: (b) => b.output(b.qdq(b.node("ConvTranspose", [b.qdq(b.input(...SHAPE)), b.integers([4, 2, 2, 2])]))),
    float: [["ConvTranspose", "ONNX Runtime has no integer kernel for ConvTranspose"]],
  },
  {
    name: "one layer int8, one float",
    build: (b) => {
      const first = b.conv(b.qdq(b.input(...SHAPE)), b.integers(WEIGHT), undefined, "first");
      return b.output(b.conv(b.qdq(first), b.float(WEIGHT), undefined, "second"));
    },
    float: [["Conv", "its weights are float"]],
  },
];

test.each(CASES)("$name: the pattern tells what ONNX Runtime does", async ({ build, float }) => {
  const model = build(new QdqBuilder(7));
  const { graph, runtime } = await bothCoverages(model);
  expect(graph.floatLayers.map(({ opType, reason }) => [opType, reason])).toEqual(
    float.map(([opType, reason]) => [opType, typeof reason === "string" ? reason : expect.stringMatching(reason)]),
  );
  expect(runtime.floatLayers).toEqual(graph.floatLayers);
  expect(runtime.int8Macs).toBe(graph.int8Macs);
  const inFloat = graph.floatLayers.reduce((sum, { macs }) => sum + macs, 0);
  expect(graph.int8Macs + inFloat).toBe(graph.macs);
  expect(graph.share).toBeCloseTo(1 - inFloat / graph.macs, 12);
  expect([graph.source, runtime.source]).toEqual(["graph", "runtime"]);
});

test("the trap: float weights between Q and DQ, which ONNX Runtime quantizes by itself", async () => {
  const b = new QdqBuilder(3);
  const model = b.output(b.qdq(b.conv(b.qdq(b.input(...SHAPE)), b.float(WEIGHT))));
  const { graph, runtime } = await bothCoverages(model);
  expect(graph.share).toBe(0);
  expect(graph.floatLayers[0]!.reason).toBe("its weights are float");
  expect(runtime.share).toBe(1);
});

test("left-over conversions are named, with the node they serve and why", async () => {
  const b = new QdqBuilder(5);
  const first = b.qdq(b.conv(b.qdq(b.input(...SHAPE)), b.integers(WEIGHT), undefined, "first"));
  const exp = b.qdq(b.node("Exp", [first], {}, "exp"));
  const second = b.qdq(b.conv(exp, b.integers(WEIGHT), undefined, "second"));
  const model = b.output(b.qdq(b.node("MaxPool", [second], {}, "pool")));
  model.graph.nodes
    .find(({ name }) => name === "pool")!
    .attributes.set("kernel_shape", { type: "ints", value: [2, 2] });
  const { graph, runtime } = await bothCoverages(model);
  expect(graph.share).toBe(1);
  expect(graph.leftover).toEqual([
    { node: "exp", opType: "Exp", quantize: 1, dequantize: 1, reason: "ONNX Runtime runs Exp in float" },
  ]);
  expect(runtime.leftover).toEqual(graph.leftover);
});

test("a float head and a float tail are no islands", async () => {
  const b = new QdqBuilder(8);
  const head = b.node("Exp", [b.input(...SHAPE)], {}, "head");
  const conv = b.qdq(b.conv(b.qdq(head), b.integers(WEIGHT)));
  const model = b.output(b.node("Exp", [b.node("Flatten", [conv], {}, "flatten")], {}, "tail"));
  const { graph, runtime } = await bothCoverages(model);
  expect(graph).toMatchObject({ share: 1, leftover: [] });
  expect(runtime).toMatchObject({ share: 1, leftover: [] });
});

test("an island of several nodes: its edges are named", async () => {
  const b = new QdqBuilder(9);
  const first = b.qdq(b.conv(b.qdq(b.input(...SHAPE)), b.integers(WEIGHT), undefined, "first"));
  const island = b.node("Exp", [b.node("Neg", [b.node("Exp", [first], {}, "in")], {}, "middle")], {}, "out");
  const model = b.output(b.qdq(b.conv(b.qdq(island), b.integers(WEIGHT), undefined, "second")));
  const { graph, runtime } = await bothCoverages(model);
  expect(graph.leftover.map(({ node, quantize, dequantize }) => [node, quantize, dequantize])).toEqual([
    ["in", 0, 1],
    ["out", 1, 0],
  ]);
  expect(runtime.leftover).toEqual(graph.leftover);
});

test("a layer in float between conversions is left over for its own reason", async () => {
  const b = new QdqBuilder(6);
  const model = b.output(
    b.qdq(b.node("ConvTranspose", [b.qdq(b.input(...SHAPE)), b.integers([4, 2, 2, 2])], {}, "up")),
  );
  const { graph, runtime } = await bothCoverages(model);
  const reason = "ONNX Runtime has no integer kernel for ConvTranspose";
  expect(graph.leftover).toEqual([{ node: "up", opType: "ConvTranspose", quantize: 1, dequantize: 2, reason }]);
  expect(runtime.leftover).toEqual(graph.leftover);
});

test("nothing is claimed when an integer node of the runtime cannot be traced back", async () => {
  const b = new QdqBuilder(2);
  const model = b.output(b.qdq(b.conv(b.qdq(b.input(...SHAPE)), b.integers(WEIGHT))));
  const renamed = async (copy: Model) => {
    const executed = await optimizedModel(runner, copy);
    for (const node of executed.graph.nodes) node.name = "unknown";
    return executed;
  };
  expect(await measuredCoverage(model, await macsReport(model), renamed)).toBeUndefined();
});

test("a float model is not quantized, a QDQ one is", () => {
  const float = new QdqBuilder(1);
  expect(isQuantized(float.output(float.conv(float.input(...SHAPE), float.float(WEIGHT))))).toBe(false);
  const quantized = new QdqBuilder(1);
  expect(isQuantized(quantized.output(quantized.qdq(quantized.input(4))))).toBe(true);
});
