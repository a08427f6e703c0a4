import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type GraphProtoSchema,
  AttributeProto_AttributeType as Kind,
  ModelProtoSchema,
  type NodeProtoSchema,
  TensorProto_DataLocation,
  type TensorProtoSchema,
  TensorProto_DataType as Type,
  type ValueInfoProtoSchema,
} from "onnx-buf";

type GraphInit = MessageInitShape<typeof GraphProtoSchema>;
type NodeInit = MessageInitShape<typeof NodeProtoSchema>;
type TensorInit = MessageInitShape<typeof TensorProtoSchema>;
type ValueInit = MessageInitShape<typeof ValueInfoProtoSchema>;

export const utf8 = (text: string): Uint8Array<ArrayBuffer> =>
  new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>;

export const float32 = (name: string, dims: readonly number[], values: readonly number[]): TensorInit => ({
  name,
  dims: dims.map(BigInt),
  dataType: Type.FLOAT,
  rawData: new Uint8Array(Float32Array.from(values).buffer),
});

export function value(name: string, elemType: Type, dims: readonly (number | string)[]): ValueInit {
  const dim = dims.map((size) =>
    typeof size === "number"
      ? { value: { case: "dimValue" as const, value: BigInt(size) } }
      : { value: { case: "dimParam" as const, value: size } },
  );
  return { name, type: { value: { case: "tensorType", value: { elemType, shape: { dim } } } } };
}

const branch = (name: string, opType: string): GraphInit => ({
  name,
  node: [
    { opType, input: ["x", `${name}_constant`], output: [`${name}_sum`], name: `${name}_node` },
    { opType: "Relu", input: [`${name}_sum`], output: [`${name}_out`] },
  ],
  initializer: [float32(`${name}_constant`, [1], [2])],
  output: [value(`${name}_out`, Type.FLOAT, ["N", 2])],
});

/** One attribute of every kind. */
const everything: NodeInit = {
  opType: "Everything",
  domain: "test.local",
  name: "everything",
  input: ["x", "", "typed_float"],
  output: ["e1", "", "e3"],
  docString: "a node of no known operator",
  overload: "over",
  metadataProps: [{ key: "origin", value: "test" }],
  attribute: [
    { name: "f", type: Kind.FLOAT, f: 0.5 },
    { name: "zero", type: Kind.FLOAT, f: 0 },
    { name: "i", type: Kind.INT, i: -(2n ** 62n) },
    { name: "s", type: Kind.STRING, s: utf8("grüße") },
    { name: "bytes", type: Kind.STRING, s: new Uint8Array([0xff, 0x00, 0xfe]) },
    { name: "t", type: Kind.TENSOR, t: float32("inner", [2], [1, 2]) },
    { name: "g", type: Kind.GRAPH, g: branch("g", "Add") },
    { name: "tp", type: Kind.TYPE_PROTO, tp: { denotation: "IMAGE" } },
    { name: "floats", type: Kind.FLOATS, floats: [1.5, -2.5] },
    { name: "ints", type: Kind.INTS, ints: [1n, -1n, 2n ** 63n - 1n] },
    { name: "strings", type: Kind.STRINGS, strings: [utf8("a"), utf8("b")] },
    { name: "tensors", type: Kind.TENSORS, tensors: [float32("t0", [1], [3])] },
    { name: "graphs", type: Kind.GRAPHS, graphs: [branch("h", "Mul"), branch("k", "Sub")] },
    { name: "sparse", type: Kind.SPARSE_TENSOR, sparseTensor: { values: float32("sv", [1], [4]), dims: [8n] } },
    { name: "empty", type: Kind.INTS },
    // Before IR version 3 files had no type: the filled field tells it.
    { name: "untyped_ints", ints: [3n] },
    { name: "untyped_tensor", t: float32("", [1], [5]) },
    { name: "untyped_string", s: utf8("old") },
    { name: "untyped_float", f: 2 },
    { name: "untyped_floats", floats: [2] },
    { name: "untyped_strings", strings: [utf8("c")] },
    { name: "untyped_int" },
  ],
};

/** Tensors whose values lie in typed fields, by name, with the raw bytes they stand for. */
export const TYPED: readonly { tensor: TensorInit; raw: readonly number[] }[] = [
  {
    tensor: { name: "typed_float", dims: [2n], dataType: Type.FLOAT, floatData: [1, -2] },
    raw: [0, 0, 128, 63, 0, 0, 0, 192],
  },
  { tensor: { name: "int8", dims: [3n], dataType: Type.INT8, int32Data: [1, -1, -128] }, raw: [1, 255, 128] },
  { tensor: { name: "uint8", dims: [2n], dataType: Type.UINT8, int32Data: [0, 255] }, raw: [0, 255] },
  { tensor: { name: "bool", dims: [2n], dataType: Type.BOOL, int32Data: [1, 0] }, raw: [1, 0] },
  { tensor: { name: "int16", dims: [2n], dataType: Type.INT16, int32Data: [-2, 258] }, raw: [254, 255, 2, 1] },
  { tensor: { name: "uint16", dims: [1n], dataType: Type.UINT16, int32Data: [65535] }, raw: [255, 255] },
  {
    tensor: { name: "float16", dims: [2n], dataType: Type.FLOAT16, int32Data: [0x3c00, 0xc000] },
    raw: [0, 0x3c, 0, 0xc0],
  },
  { tensor: { name: "bfloat16", dims: [1n], dataType: Type.BFLOAT16, int32Data: [0x3f80] }, raw: [0x80, 0x3f] },
  { tensor: { name: "int32", dims: [1n], dataType: Type.INT32, int32Data: [-2] }, raw: [254, 255, 255, 255] },
  {
    tensor: { name: "int64", dims: [1n], dataType: Type.INT64, int64Data: [-2n] },
    raw: [254, 255, 255, 255, 255, 255, 255, 255],
  },
  {
    tensor: { name: "uint32", dims: [1n], dataType: Type.UINT32, uint64Data: [4294967295n] },
    raw: [255, 255, 255, 255],
  },
  {
    tensor: { name: "uint64", dims: [1n], dataType: Type.UINT64, uint64Data: [2n ** 64n - 1n] },
    raw: [255, 255, 255, 255, 255, 255, 255, 255],
  },
  {
    tensor: { name: "double", dims: [1n], dataType: Type.DOUBLE, doubleData: [1] },
    raw: [0, 0, 0, 0, 0, 0, 0xf0, 0x3f],
  },
  {
    tensor: { name: "complex64", dims: [1n], dataType: Type.COMPLEX64, floatData: [1, -2] },
    raw: [0, 0, 128, 63, 0, 0, 0, 192],
  },
  // Packed: one byte an entry, low half first; and as old writers did it, one value an entry.
  { tensor: { name: "int4", dims: [3n], dataType: Type.INT4, int32Data: [0x21, 0x0f] }, raw: [0x21, 0x0f] },
  { tensor: { name: "int4_single", dims: [3n], dataType: Type.INT4, int32Data: [1, 2, -1] }, raw: [0x21, 0x0f] },
  { tensor: { name: "uint2", dims: [5n], dataType: 25 as Type, int32Data: [0b11100100, 1] }, raw: [0b11100100, 1] },
  { tensor: { name: "float8", dims: [2n], dataType: Type.FLOAT8E4M3FN, int32Data: [0x38, 0xb8] }, raw: [0x38, 0xb8] },
  { tensor: { name: "scalar", dims: [], dataType: Type.FLOAT, floatData: [1] }, raw: [0, 0, 128, 63] },
  { tensor: { name: "none", dims: [0n], dataType: Type.FLOAT }, raw: [] },
];

/** A model with everything a file may hold; not meant to run. */
export function kitchenSink(): Uint8Array {
  const proto = create(ModelProtoSchema, {
    irVersion: 10n,
    opsetImport: [
      { domain: "", version: 17n },
      { domain: "test.local", version: 1n },
    ],
    producerName: "test",
    producerVersion: "1.2",
    domain: "org.example",
    modelVersion: 7n,
    docString: "everything",
    metadataProps: [
      { key: "license", value: "none" },
      { key: "unicode", value: "日本" },
    ],
    functions: [
      {
        name: "Everything",
        domain: "test.local",
        input: ["a", "b", "c"],
        output: ["d", "e", "f"],
        attribute: ["f"],
        node: [
          {
            opType: "Relu",
            input: ["a"],
            output: ["d"],
            attribute: [{ name: "r", refAttrName: "f", type: Kind.FLOAT }],
          },
        ],
        opsetImport: [{ domain: "", version: 17n }],
      },
    ],
    trainingInfo: [{ algorithm: { name: "training" } }],
    graph: {
      name: "main",
      docString: "graph",
      metadataProps: [{ key: "pkg", value: "core" }],
      node: [
        {
          opType: "Cast",
          domain: "ai.onnx",
          input: ["x"],
          output: ["cast"],
          attribute: [{ name: "to", type: Kind.INT, i: 1n }],
        },
        everything,
        {
          opType: "If",
          name: "choose",
          input: ["condition"],
          output: ["chosen"],
          attribute: [
            { name: "then_branch", type: Kind.GRAPH, g: branch("then", "Add") },
            { name: "else_branch", type: Kind.GRAPH, g: branch("else", "Mul") },
          ],
        },
      ],
      input: [
        value("x", Type.FLOAT, ["N", 2]),
        value("condition", Type.BOOL, []),
        { name: "typeless" },
        {
          name: "sequence",
          type: {
            value: {
              case: "sequenceType",
              value: { elemType: { value: { case: "tensorType", value: { elemType: Type.FLOAT } } } },
            },
          },
        },
        {
          name: "optional",
          type: {
            value: {
              case: "optionalType",
              value: { elemType: { value: { case: "tensorType", value: { elemType: Type.INT64 } } } },
            },
          },
        },
      ],
      output: [value("chosen", Type.FLOAT, ["N", 2]), { ...value("e1", Type.FLOAT, []), docString: "first" }],
      valueInfo: [value("cast", Type.FLOAT, ["N", 2]), { name: "e3", type: { denotation: "TENSOR" } }],
      initializer: [
        ...TYPED.map(({ tensor }) => tensor),
        { name: "strings", dims: [2n], dataType: Type.STRING, stringData: [utf8("one"), utf8("two")] },
        {
          name: "outside",
          dims: [4n],
          dataType: Type.FLOAT,
          dataLocation: TensorProto_DataLocation.EXTERNAL,
          externalData: [
            { key: "location", value: "weights.bin" },
            { key: "offset", value: "16" },
            { key: "length", value: "16" },
            { key: "checksum", value: "00" },
          ],
        },
        { ...float32("described", [1], [9]), docString: "a tensor" },
      ],
      sparseInitializer: [
        {
          values: float32("sparse_weight", [1], [6]),
          indices: { dims: [1n], dataType: Type.INT64, int64Data: [3n] },
          dims: [8n],
        },
      ],
      quantizationAnnotation: [
        { tensorName: "x", quantParameterTensorNames: [{ key: "SCALE_TENSOR", value: "scalar" }] },
      ],
    },
  });
  // Fields of a schema newer than ours, at two places.
  proto.$unknown = [{ no: 999, wireType: 2, data: new Uint8Array([3, 1, 2, 3]) }];
  proto.graph!.node[0]!.$unknown = [{ no: 500, wireType: 0, data: new Uint8Array([7]) }];
  return toBinary(ModelProtoSchema, proto);
}

/** A file with one graph, given as protobuf, for standard opset 17. */
export function fileWith(graph: GraphInit): Uint8Array {
  const opsetImport = [{ domain: "", version: 17n }];
  return toBinary(ModelProtoSchema, create(ModelProtoSchema, { irVersion: 8n, opsetImport, graph }));
}
