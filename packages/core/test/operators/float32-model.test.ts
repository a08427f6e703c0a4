import { describe, expect, test } from "vitest";
import { comparable } from "../../src/analyze/output-error.js";
import {
  createNode,
  DTYPE_CODES,
  float32ToBfloat16,
  float32ToFloat16,
  int,
  type Model,
  serializeModel,
  Tensor,
  tensorsOf,
} from "../../src/lab.js";
import { runnableForm, toFloat32 } from "../../src/operators/float32-model.js";
import { randomNetwork } from "../equalize/random-network.js";
import { runner } from "../helpers/runner.js";

const bits = { float16: float32ToFloat16, bfloat16: float32ToBfloat16 };
type Half = keyof typeof bits;

/** A float32 network stored in a half type, ends included, with a cast back and forth in the middle; and its rounded float32 twin. */
function halved(type: Half): { half: Model; float: Model } {
  const make = () => randomNetwork(7, ["convRelu", "residual"]).model;
  const [half, float] = [make(), make()];
  for (const [name, tensor] of half.graph.initializers) {
    if (tensor.dtype !== "float32") continue;
    const stored = Tensor.of(type, tensor.dims, bits[type](tensor.array() as Float32Array));
    half.graph.initializers.set(name, stored);
    const back = { ...half, graph: { ...half.graph, nodes: [], initializers: new Map([[name, stored]]) } };
    toFloat32(back);
    float.graph.initializers.set(name, back.graph.initializers.get(name)!);
  }
  const typed = ({ name, shape }: { name: string; shape?: readonly unknown[] }) =>
    ({ name, shape, dtype: type }) as Model["graph"]["inputs"][number];
  half.graph.inputs = half.graph.inputs.map(typed);
  half.graph.outputs = half.graph.outputs.map(typed);
  const [{ name: out }] = half.graph.outputs as [{ name: string }];
  const maker = half.graph.nodes.find((node) => node.outputs.includes(out))!;
  maker.outputs = maker.outputs.map((value) => (value === out ? "inner" : value));
  const cast = (from: string, to: string, code: number) =>
    createNode({ opType: "Cast", inputs: [from], outputs: [to], attributes: { to: int(code) } });
  half.graph.nodes.push(cast("inner", "wide", DTYPE_CODES.float32), cast("wide", out, DTYPE_CODES[type]));
  return { half, float };
}

async function outputOf(model: Model, dtype: "float32" | "float16", data: Float32Array): Promise<Float32Array> {
  const { name, shape } = model.graph.inputs[0]!;
  const dims = (shape as (number | string)[]).map((dim) => (typeof dim === "number" ? dim : 1));
  const feed = { dtype, dims, data: dtype === "float16" ? float32ToFloat16(data) : data };
  const result = await runner.using(model, (session) => session.run({ [name]: feed }));
  return Float32Array.from(comparable(Object.values(result)[0]!) as ArrayLike<number>);
}

describe("networks of half precision compute in float32", () => {
  test.each(["float16", "bfloat16"] as const)(
    "%s: same constants, same outputs, ends as callers have them",
    async (type) => {
      const { half, float } = halved(type);
      expect([...toFloat32(half)]).toEqual([type]);
      for (const { tensor } of tensorsOf(half)) expect(tensor.dtype).not.toBe(type);
      const ends = type === "float16" ? "float16" : "float32";
      expect([...half.graph.inputs, ...half.graph.outputs].map(({ dtype }) => dtype)).toEqual([ends, ends]);
      // Numbers that 16 bits hold, so that the cast at the input rounds nothing away.
      const size = (float.graph.inputs[0]!.shape as number[]).reduce((a, b) => a * (typeof b === "number" ? b : 1), 1);
      const data = Float32Array.from({ length: size }, (_, at) => ((at * 37) % 64) / 32 - 1);
      const [actual, expected] = [await outputOf(half, ends, data), await outputOf(float, "float32", data)];
      const largest = Math.max(...expected.map(Math.abs));
      for (const [at, value] of expected.entries())
        expect(Math.abs(actual[at]! - value)).toBeLessThanOrEqual(largest * (type === "float16" ? 2 ** -10 : 1e-6));
    },
  );

  test("a float32 network is left as it is, byte for byte", () => {
    const { model } = randomNetwork(7, ["convRelu"]);
    const before = serializeModel(model);
    expect(toFloat32(model).size).toBe(0);
    expect(Buffer.compare(serializeModel(model), before)).toBe(0);
    expect(runnableForm(model)).toBe(model);
  });

  test("what ONNX Runtime runs stays as it is; bfloat16 becomes a copy", () => {
    const { half } = halved("float16");
    expect(runnableForm(half)).toBe(half);
    const { half: brain } = halved("bfloat16");
    const form = runnableForm(brain);
    expect(form).not.toBe(brain);
    expect(form.graph.inputs[0]!.dtype).toBe("float32");
    expect(brain.graph.inputs[0]!.dtype).toBe("bfloat16");
  });
});
