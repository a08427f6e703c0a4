import { clearField, create, type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import {
  type AttributeProto,
  AttributeProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  AttributeProto_AttributeType as Kind,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "onnx-buf";
import { ModelError } from "../errors.js";
import type { Attribute, Graph, Model, Node, ValueInfo } from "./document.js";
import { DTYPE_CODES } from "./dtype.js";
import { sourceOf } from "./proto.js";
import type { ExternalLocation, Tensor } from "./tensor.js";

/** Largest file protobuf can hold: 2 GiB. */
export const MAX_PROTOBUF_BYTES = 2 ** 31 - 1;

/** Options for {@link serializeModel}. */
export interface SerializeOptions {
  /**
   * Where a tensor's bytes go: a place in another file, or undefined to embed them. The writer of that file is the caller.
   * Default: every tensor is embedded, external ones are read in.
   */
  externalize?: (name: string, tensor: Tensor) => ExternalLocation | undefined;
}

/** What one serialization carries along. */
interface State {
  readonly externalize: SerializeOptions["externalize"];
  /** Bytes of tensors embedded so far: the limit is noticed before gigabytes are read and copied. */
  embedded: number;
}

/**
 * Serializes a model to the bytes of an ONNX file. What was parsed and not changed is written back as it was;
 * new tensors are written as raw_data.
 * @throws {ModelError} E3003 when the result would exceed 2 GiB (write external data instead).
 */
export function serializeModel(model: Model, options: SerializeOptions = {}): Uint8Array {
  const proto = patch(ModelProtoSchema, sourceOf(model) as ModelProto | undefined, {
    irVersion: BigInt(model.irVersion),
    producerName: model.producerName,
    producerVersion: model.producerVersion,
  });
  proto.graph = graphProto(model.graph, { externalize: options.externalize, embedded: 0 });
  proto.opsetImport = keyed(
    proto.opsetImport,
    model.opsets,
    (entry) => (entry.domain === "ai.onnx" ? "" : entry.domain),
    {
      same: (entry, version) => Number(entry.version) === version,
      make: (domain, version, old) =>
        patch(OperatorSetIdProtoSchema, old, { domain: old?.domain ?? domain, version: BigInt(version) }),
    },
  );
  proto.metadataProps = keyed(proto.metadataProps, model.metadata, (entry) => entry.key, {
    same: (entry, value) => entry.value === value,
    make: (key, value, old) => patch(StringStringEntryProtoSchema, old, { key, value }),
  });
  return encode(proto);
}

function tooLarge(cause?: unknown): ModelError {
  const hint = "save it with external data";
  return new ModelError("E3003", "serialize: the model does not fit in one file of 2 GiB", { hint }, cause);
}

function encode(proto: ModelProto): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = toBinary(ModelProtoSchema, proto);
  } catch (error) {
    // The encoder's buffer could not grow.
    if (error instanceof RangeError) throw tooLarge(error);
    throw new ModelError("E3003", `serialize: the model cannot be encoded (${String(error)})`, {}, error);
  }
  if (bytes.byteLength > MAX_PROTOBUF_BYTES) throw tooLarge();
  return bytes;
}

/** Copy of a message with fields set; a field that already has the value keeps its presence as it was read. */
function patch<S extends DescMessage>(
  schema: S,
  source: MessageShape<S> | undefined,
  fields: Partial<MessageShape<S>>,
): MessageShape<S> {
  const message = Object.assign(create(schema), source) as MessageShape<S>;
  for (const [key, value] of Object.entries(fields)) {
    const target = message as Record<string, unknown>;
    if (value !== undefined && target[key] !== value) target[key] = value;
  }
  return message;
}

/** Entries of a map field in the order read, unchanged ones as they were, new ones behind. */
function keyed<E, V>(
  old: readonly E[],
  entries: ReadonlyMap<string, V>,
  keyOf: (entry: E) => string,
  rule: { same: (entry: E, value: V) => boolean; make: (key: string, value: V, old?: E) => E },
): E[] {
  const seen = new Set<string>();
  const result: E[] = [];
  for (const entry of old) {
    const key = keyOf(entry);
    const value = entries.get(key);
    if (value === undefined) continue;
    seen.add(key);
    result.push(rule.same(entry, value) ? entry : rule.make(key, value, entry));
  }
  for (const [key, value] of entries) if (!seen.has(key)) result.push(rule.make(key, value));
  return result;
}

function graphProto(graph: Graph, state: State): GraphProto {
  const proto = patch(GraphProtoSchema, sourceOf(graph) as GraphProto | undefined, { name: graph.name });
  proto.node = graph.nodes.map((node) => nodeProto(node, state));
  proto.input = graph.inputs.map(valueInfoProto);
  proto.output = graph.outputs.map(valueInfoProto);
  proto.valueInfo = [...graph.valueInfos.values()].map(valueInfoProto);
  proto.initializer = [...graph.initializers].map(([name, tensor]) => tensorProto(name, tensor, state));
  return proto;
}

function nodeProto(node: Node, state: State): NodeProto {
  const source = sourceOf(node) as NodeProto | undefined;
  const fields: Partial<NodeProto> = { name: node.name, opType: node.opType };
  if (!(source?.domain === "ai.onnx" && node.domain === "")) fields.domain = node.domain;
  const proto = patch(NodeProtoSchema, source, fields);
  proto.input = node.inputs;
  proto.output = node.outputs;
  proto.attribute = [...node.attributes].map(([name, attribute]) => attributeProto(name, attribute, state));
  return proto;
}

const utf8 = new TextEncoder();

function attributeProto(name: string, attribute: Attribute, state: State): AttributeProto {
  const source = sourceOf(attribute) as AttributeProto | undefined;
  if (attribute.type === "graph") {
    const g = graphProto(attribute.value, state);
    return patch(AttributeProtoSchema, source, source ? { name, g } : { name, type: Kind.GRAPH, g });
  }
  if (attribute.type === "graphs") {
    const graphs = attribute.value.map((graph) => graphProto(graph, state));
    return patch(AttributeProtoSchema, source, source ? { name, graphs } : { name, type: Kind.GRAPHS, graphs });
  }
  if (attribute.type === "tensor") {
    const t = tensorProto(source?.t?.name ?? "", attribute.value, state);
    // Before IR version 3 the type was told by the filled field alone.
    return patch(AttributeProtoSchema, source, source ? { name, t } : { name, type: Kind.TENSOR, t });
  }
  if (source) return patch(AttributeProtoSchema, source, { name });
  return patch(AttributeProtoSchema, undefined, { name, ...plainAttribute(name, attribute) });
}

function plainAttribute(name: string, attribute: Attribute): Partial<AttributeProto> {
  switch (attribute.type) {
    case "float":
      return { type: Kind.FLOAT, f: attribute.value };
    case "int":
      return { type: Kind.INT, i: toInt64(attribute.value) };
    case "string":
      return { type: Kind.STRING, s: utf8.encode(attribute.value) as Uint8Array<ArrayBuffer> };
    case "floats":
      return { type: Kind.FLOATS, floats: [...attribute.value] };
    case "ints":
      return { type: Kind.INTS, ints: attribute.value.map(toInt64) };
    case "strings":
      return {
        type: Kind.STRINGS,
        strings: attribute.value.map((value) => utf8.encode(value) as Uint8Array<ArrayBuffer>),
      };
    default:
      throw new ModelError("E3003", `serialize: attribute "${name}" has no content`, {
        expected: "a parsed attribute",
      });
  }
}

/** Doubles near ±2^63 stand for the int64 limits, which ONNX uses as «to the end». */
function toInt64(value: number): bigint {
  if (value >= 2 ** 63) return 2n ** 63n - 1n;
  return value <= -(2 ** 63) ? -(2n ** 63n) : BigInt(value);
}

function tensorProto(name: string, tensor: Tensor, state: State): TensorProto {
  const source = sourceOf(tensor) as TensorProto | undefined;
  const place = state.externalize?.(name, tensor);
  if (place) {
    const proto = patch(TensorProtoSchema, source, { name });
    const entries = { location: place.location, offset: String(place.offset), length: String(place.length) };
    Object.assign(withoutData(proto), header(tensor), {
      dataLocation: TensorProto_DataLocation.EXTERNAL,
      externalData: Object.entries(entries).map(([key, value]) => create(StringStringEntryProtoSchema, { key, value })),
    });
    return proto;
  }
  state.embedded += tensor.byteLength ?? 0;
  if (state.embedded > MAX_PROTOBUF_BYTES) throw tooLarge();
  if (source && !tensor.external) return patch(TensorProtoSchema, source, { name });
  const proto = patch(TensorProtoSchema, source, { name });
  return Object.assign(withoutData(proto), header(tensor), { rawData: tensor.bytes() });
}

function header(tensor: Tensor): Partial<TensorProto> {
  return { dataType: DTYPE_CODES[tensor.dtype], dims: tensor.dims.map(BigInt) };
}

/** Takes the data out of a tensor's message, wherever it was. */
function withoutData(proto: TensorProto): TensorProto {
  for (const field of ["rawData", "dataLocation"] as const) clearField(proto, TensorProtoSchema.field[field]);
  return Object.assign(proto, { ...NO_DATA });
}

const NO_DATA: Partial<TensorProto> = {
  floatData: [],
  int32Data: [],
  int64Data: [],
  doubleData: [],
  uint64Data: [],
  externalData: [],
};

function valueInfoProto(info: ValueInfo): ValueInfoProto {
  const source = sourceOf(info) as ValueInfoProto | undefined;
  if (source) return patch(ValueInfoProtoSchema, source, { name: info.name });
  const proto = create(ValueInfoProtoSchema, { name: info.name });
  if (!info.dtype) return proto;
  const elemType = DTYPE_CODES[info.dtype];
  const tensor = create(TypeProto_TensorSchema, { elemType });
  if (info.shape) {
    const dim = info.shape.map((size) => {
      const message = create(TensorShapeProto_DimensionSchema);
      if (typeof size === "number") message.value = { case: "dimValue", value: BigInt(size) };
      else if (size !== undefined) message.value = { case: "dimParam", value: size };
      return message;
    });
    tensor.shape = create(TensorShapeProtoSchema, { dim });
  }
  proto.type = create(TypeProtoSchema, { value: { case: "tensorType", value: tensor } });
  return proto;
}
