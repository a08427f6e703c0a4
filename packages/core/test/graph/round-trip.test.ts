import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ModelError } from "../../src/errors.js";
import {
  type Attribute,
  attributeOf,
  cloneModel,
  createNode,
  type Graph,
  GraphBuilder,
  int,
  type Model,
  type Node,
  parseModel,
  serializeModel,
  subgraphsOf,
  Tensor,
  validateModel,
} from "../../src/graph/index.js";
import { fileWith, kitchenSink, TYPED } from "./kitchen-sink.js";

const external = (location: string, offset: number, length: number): Uint8Array => {
  if (location !== "weights.bin") throw new Error(`asked for ${location}`);
  return new Uint8Array(64).map((_, index) => index).subarray(offset, offset + length);
};

const parsed = (): Model => parseModel(kitchenSink(), { external });
/** Serialized with external data left where it is: what an untouched model must look like. */
const untouched = (model: Model): Uint8Array =>
  serializeModel(model, { externalize: (_name, tensor) => tensor.external });

const find = (model: Model, opType: string): Node => model.graph.nodes.find((node) => node.opType === opType)!;

/** The document as plain data, to compare structure without bytes. */
function plain(model: Model): unknown {
  const attribute = ({ type, value }: Attribute): unknown => {
    if (type === "graph") return graph(value);
    if (type === "graphs") return value.map(graph);
    return type === "tensor" ? tensor(value) : { type, value };
  };
  const tensor = (value: Tensor) =>
    value.dtype === "string" ? "strings" : { dtype: value.dtype, dims: value.dims, bytes: [...value.bytes()] };
  const graph = ({ initializers, valueInfos, nodes, ...rest }: Graph): unknown => ({
    ...rest,
    initializers: [...initializers].map(([name, value]) => [name, tensor(value)]),
    valueInfos: [...valueInfos],
    nodes: nodes.map((node) => ({
      ...node,
      attributes: [...node.attributes].map(([key, value]) => [key, attribute(value)]),
    })),
  });
  return { ...model, opsets: [...model.opsets], metadata: [...model.metadata], graph: graph(model.graph) };
}

describe("untouched", () => {
  test("a model with everything in it comes back byte for byte", () => {
    const bytes = kitchenSink();
    expect(validateModel(parsed())).toEqual([]);
    // The external tensor has an entry that only the file knows; it is written anew, so compare without it.
    const same = parseModel(bytes, { external });
    same.graph.initializers.delete("outside");
    const again = parseModel(serializeModel(same), { external });
    expect(plain(again)).toEqual(plain(same));
    expect(serializeModel(again)).toEqual(serializeModel(same));
  });

  test("byte for byte without external data, from a plain array, a view into a larger one, and a Buffer", () => {
    const model = parsed();
    model.graph.initializers.delete("outside");
    const bytes = serializeModel(model);
    const padded = new Uint8Array(bytes.length + 7);
    padded.set(bytes, 3);
    for (const input of [bytes, padded.subarray(3, 3 + bytes.length), Buffer.from(bytes)]) {
      expect(serializeModel(parseModel(input))).toEqual(bytes);
      expect(serializeModel(cloneModel(parseModel(input)))).toEqual(bytes);
    }
  });

  test("weights are views of the file, not copies", () => {
    const bytes = kitchenSink();
    const described = parseModel(bytes).graph.initializers.get("described")!;
    expect(described.bytes().buffer).toBe(bytes.buffer);
  });

  test("what equant does not model is still in the file", () => {
    const text = Buffer.from(untouched(parsed())).toString("latin1");
    for (const part of [
      "org.example",
      "Everything",
      "training",
      "sparse_weight",
      "SCALE_TENSOR",
      "a node of no known",
    ]) {
      expect(text).toContain(part);
    }
    // The unknown fields: number 999 (tag ba 3e) with bytes 1 2 3, and number 500 (tag a0 1f) with 7.
    expect(text).toContain("\u00ba\u003e\u0003\u0001\u0002\u0003");
    expect(text).toContain("\u00a0\u001f\u0007");
  });
});

describe("reading", () => {
  test.each(TYPED.map((entry) => [entry.tensor.name!, entry.raw] as const))("typed field %s", (name, raw) => {
    const tensor = parsed().graph.initializers.get(name)!;
    expect([...tensor.bytes()]).toEqual(raw);
    expect(tensor.byteLength).toBe(raw.length);
    // The same bytes again: converted once, never written into.
    expect(tensor.bytes()).toBe(tensor.bytes());
  });

  test("typed fields become raw bytes when the tensor is replaced", () => {
    const model = parsed();
    for (const { tensor } of TYPED) {
      const old = model.graph.initializers.get(tensor.name!)!;
      model.graph.initializers.set(tensor.name!, new Tensor(old.dtype, old.dims, old.bytes()));
    }
    const again = parseModel(serializeModel(model));
    for (const { tensor, raw } of TYPED) expect([...again.graph.initializers.get(tensor.name!)!.bytes()]).toEqual(raw);
  });

  test("attributes of every kind", () => {
    const node = find(parsed(), "Everything");
    expect(attributeOf(node, "f", "float", 0)).toBe(0.5);
    expect(attributeOf(node, "zero", "float", 9)).toBe(0);
    expect(attributeOf(node, "i", "int", 0)).toBe(-(2 ** 62));
    expect(attributeOf(node, "s", "string", "")).toBe("grüße");
    expect([...attributeOf(node, "t", "tensor", Tensor.scalar(0)).array()]).toEqual([1, 2]);
    expect(attributeOf(node, "floats", "floats", [])).toEqual([1.5, -2.5]);
    expect(attributeOf(node, "ints", "ints", [])).toEqual([1, -1, 2 ** 63]);
    expect(attributeOf(node, "strings", "strings", [])).toEqual(["a", "b"]);
    expect(attributeOf(node, "empty", "ints", [1])).toEqual([]);
    expect(attributeOf(node, "missing", "ints", [1])).toEqual([1]);
    expect(attributeOf(node, "untyped_ints", "ints", [])).toEqual([3]);
    expect(attributeOf(node, "untyped_float", "float", 0)).toBe(2);
    expect(attributeOf(node, "untyped_floats", "floats", [])).toEqual([2]);
    expect(attributeOf(node, "untyped_string", "string", "")).toBe("old");
    expect(attributeOf(node, "untyped_strings", "strings", [])).toEqual(["c"]);
    expect(attributeOf(node, "untyped_int", "int", 1)).toBe(0);
    expect([...attributeOf(node, "untyped_tensor", "tensor", Tensor.scalar(0)).array()]).toEqual([5]);
    for (const name of ["tp", "tensors", "sparse"]) expect(node.attributes.get(name)?.type).toBe("opaque");
    expect(subgraphsOf(node).map(({ name }) => name)).toEqual(["g", "h", "k"]);
    expect(() => attributeOf(node, "f", "ints", [])).toThrow(/attribute f is float, expected ints/);
  });

  test("ai.onnx is the default domain, and opaque types have no shape", () => {
    const { graph } = parsed();
    expect(graph.nodes[0]!.domain).toBe("");
    const [x, condition, ...opaque] = graph.inputs;
    expect([x!.dtype, x!.shape]).toEqual(["float32", ["N", 2]]);
    expect([condition!.dtype, condition!.shape]).toEqual(["bool", []]);
    for (const { dtype, shape } of opaque) expect([dtype, shape]).toEqual([undefined, undefined]);
  });
});

describe("external data", () => {
  test("is read on first use, at its place, and in parts", () => {
    const asked: number[][] = [];
    const model = parseModel(kitchenSink(), {
      external: (location, offset, length) => {
        asked.push([offset, length]);
        return external(location, offset, length);
      },
    });
    const tensor = model.graph.initializers.get("outside")!;
    expect(tensor.external).toEqual({ location: "weights.bin", offset: 16, length: 16 });
    expect(asked).toEqual([]);
    expect([...tensor.bytesBetween(4, 6)]).toEqual([20, 21]);
    expect(asked).toEqual([[20, 2]]);
    expect([...tensor.bytes()].slice(0, 3)).toEqual([16, 17, 18]);
    tensor.bytes();
    expect(asked).toEqual([
      [20, 2],
      [16, 16],
    ]);
  });

  test("is embedded by default, moved or left on request", () => {
    const inline = parseModel(serializeModel(parsed())).graph.initializers.get("outside")!;
    expect(inline.external).toBeUndefined();
    expect(inline.bytes()[0]).toBe(16);
    const moved = parseModel(
      serializeModel(parsed(), {
        externalize: (name, tensor) =>
          name === "outside" ? { location: "new.bin", offset: 64, length: tensor.byteLength! } : undefined,
      }),
    ).graph.initializers.get("outside")!;
    expect(moved.external).toEqual({ location: "new.bin", offset: 64, length: 16 });
    expect(parseModel(untouched(parsed())).graph.initializers.get("outside")!.external?.location).toBe("weights.bin");
  });

  test("that was not given, or is too short, is E3005 with the name of the file", () => {
    const without = parseModel(kitchenSink()).graph.initializers.get("outside")!;
    expect(() => without.bytes()).toThrow(
      expect.objectContaining({ code: "E3005", message: expect.stringContaining("weights.bin") }),
    );
    const short = parseModel(kitchenSink(), { external: () => new Uint8Array(3) });
    expect(() => short.graph.initializers.get("outside")!.bytes()).toThrow(/weights\.bin ends before byte 32/);
  });
});

describe("edits", () => {
  test("change what they touch and nothing else", () => {
    const model = parsed();
    model.graph.initializers.delete("outside");
    const before = plain(parseModel(serializeModel(model))) as { graph: { nodes: { name: string }[] } };
    find(model, "If").name = "renamed";
    model.metadata.set("license", "Apache-2.0");
    model.metadata.set("added", "yes");
    model.opsets.set("", 18);
    const after = plain(parseModel(serializeModel(model))) as typeof before;
    before.graph.nodes[2]!.name = "renamed";
    expect(after).toEqual({
      ...before,
      opsets: [
        ["", 18],
        ["test.local", 1],
      ],
      metadata: [
        ["license", "Apache-2.0"],
        ["unicode", "日本"],
        ["added", "yes"],
      ],
    });
  });

  test("replace an attribute, drop one, add a node of the same domain", () => {
    const model = parsed();
    const node = find(model, "Everything");
    node.attributes.set("i", int(5));
    node.attributes.delete("floats");
    model.graph.nodes.push(createNode({ opType: "New", domain: "test.local", inputs: ["e1"], outputs: ["n"] }));
    const again = parseModel(serializeModel(model));
    const written = find(again, "Everything");
    expect(attributeOf(written, "i", "int", 0)).toBe(5);
    expect(written.attributes.has("floats")).toBe(false);
    expect(again.graph.nodes.at(-1)).toMatchObject({ opType: "New", domain: "test.local", inputs: ["e1"] });
  });

  test("inside a subgraph reach the file", () => {
    const model = parsed();
    const [then] = subgraphsOf(find(model, "If"));
    then!.nodes[0]!.opType = "Div";
    then!.initializers.set("then_constant", Tensor.float32([1], [8]));
    const [again, other] = subgraphsOf(find(parseModel(serializeModel(model)), "If"));
    expect(again!.nodes.map(({ opType }) => opType)).toEqual(["Div", "Relu"]);
    expect([...again!.initializers.get("then_constant")!.array()]).toEqual([8]);
    expect(other!.nodes[0]!.opType).toBe("Mul");
  });

  test("of a clone leave the original's bytes", () => {
    const model = parsed();
    const before = untouched(model);
    const clone = cloneModel(model);
    const mutate = (graph: Graph): void => {
      for (const node of graph.nodes) {
        node.name += "x";
        node.inputs.push("more");
        node.outputs[0] = "other";
        for (const inner of subgraphsOf(node)) mutate(inner);
        node.attributes.clear();
      }
      graph.initializers.clear();
      graph.inputs.pop();
      graph.outputs.pop();
      graph.valueInfos.clear();
      graph.nodes.pop();
    };
    mutate(clone.graph);
    clone.metadata.clear();
    clone.opsets.set("", 1);
    expect(untouched(model)).toEqual(before);
    expect(untouched(clone)).not.toEqual(before);
  });
});

test("a model that is too large for one file says so before it is read or copied", () => {
  const { model, builder } = GraphBuilder.model("huge");
  const load = (): Uint8Array => {
    throw new Error("must not be read");
  };
  builder.graph.initializers.set(
    "huge",
    new Tensor("uint8", [2 ** 31], load, { location: "w", offset: 0, length: 2 ** 31 }),
  );
  expect(() => serializeModel(model)).toThrow(
    expect.objectContaining({ code: "E3003", hint: expect.stringContaining("external data") }),
  );
});

test("any tensor of any type and shape survives", () => {
  const bits = {
    float32: 32,
    float64: 64,
    int8: 8,
    uint8: 8,
    int16: 16,
    uint16: 16,
    int32: 32,
    uint32: 32,
    int64: 64,
    uint64: 64,
    bool: 8,
    float16: 16,
    bfloat16: 16,
    int4: 4,
    uint4: 4,
    int2: 2,
    uint2: 2,
    float8e5m2: 8,
  } as const;
  const shape = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 });
  const types = Object.keys(bits) as (keyof typeof bits)[];
  fc.assert(
    fc.property(fc.constantFrom(...types), shape, fc.infiniteStream(fc.nat(255)), (dtype, dims, stream) => {
      const length = Math.ceil((dims.reduce((product, dim) => product * dim, 1) * bits[dtype]) / 8);
      const bytes = Uint8Array.from({ length }, () => stream.next().value as number);
      const { model, builder } = GraphBuilder.model("tensor");
      builder.constant(new Tensor(dtype, dims, bytes), "t");
      const tensor = parseModel(serializeModel(model)).graph.initializers.get("t")!;
      expect([tensor.dtype, tensor.dims, [...tensor.bytes()]]).toEqual([dtype, dims, [...bytes]]);
    }),
    { seed: 3, numRuns: 300 },
  );
});

test("every damaged tensor is E3004 with its name", () => {
  const weight = (dims: readonly bigint[], bytes: number, dataType = 1) => ({
    name: "weight",
    dims: [...dims],
    dataType,
    rawData: new Uint8Array(bytes),
  });
  const cases = [
    weight([2n], 7),
    weight([-1n], 4),
    weight([2n ** 40n, 2n ** 40n], 8),
    weight([0n, 2n ** 60n], 0),
    weight([-(2n ** 63n)], 0),
    weight(new Array(100).fill(1n), 4),
    weight([1n], 4, 0),
    weight([1n], 4, 77),
    { ...weight([3n], 0), floatData: [1] },
    { ...weight([1n], 0, 8), stringData: [] },
    {
      ...weight([4n], 0),
      dataLocation: 1,
      externalData: [
        { key: "location", value: "w" },
        { key: "length", value: "3" },
      ],
    },
  ];
  for (const tensor of cases) {
    const parse = () => parseModel(fileWith({ initializer: [tensor] }));
    expect(parse).toThrow(ModelError);
    expect(parse).toThrow(expect.objectContaining({ code: "E3004", message: expect.stringContaining('"weight"') }));
  }
  const place = { ...weight([1n], 0), dataLocation: 1 as const };
  for (const entries of [
    {},
    { location: "w", offset: "-4" },
    { location: "w", offset: "1e3" },
    { location: "w", length: "x" },
  ]) {
    const externalData = Object.entries(entries).map(([key, value]) => ({ key, value }));
    const parse = () => parseModel(fileWith({ initializer: [{ ...place, externalData }] }));
    expect(parse).toThrow(expect.objectContaining({ code: "E3005" }));
  }
  // A shape of a million axes must not become a message of a million numbers.
  const long = () => parseModel(fileWith({ initializer: [weight(new Array(1_000_000).fill(3n), 4)] }));
  expect(long).toThrow(expect.objectContaining({ message: expect.stringMatching(/^.{1,120}$/) }));
});
