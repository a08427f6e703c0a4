import { fromBinary } from "@bufbuild/protobuf";
import {
  type AttributeProto,
  type GraphProto,
  AttributeProto_AttributeType as Kind,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  type ValueInfoProto,
} from "onnx-buf";
import { CompressionError, ModelError } from "../errors.js";
import {
  type Attribute,
  type Graph,
  labelOf,
  type Model,
  type Node,
  normalizeDomain,
  type ValueInfo,
} from "./document.js";
import { dtypeFromCode } from "./dtype.js";
import { recogniseForeign } from "./foreign-file.js";
import { type ExternalReader, parseTensor } from "./parse-tensor.js";
import { withSource } from "./proto.js";
import { checkWire } from "./wire.js";

/** Options for {@link parseModel}. */
export interface ParseOptions {
  /** Reads external data of tensors, on first use. Without it, a tensor stored outside the file throws E3005 when read. */
  external?: ExternalReader;
  /** Name used in error messages. Default: `'model'`. */
  file?: string;
}

/**
 * Parses the bytes of an ONNX file. Weights become views of `bytes`; nothing is copied until it is changed.
 * @throws {ModelError} E3002 not ONNX or damaged; E3003 a graph that cannot be represented; E3004 a damaged initializer.
 */
export function parseModel(bytes: Uint8Array, options: ParseOptions = {}): Model {
  const file = options.file ?? "model";
  const proto = decode(bytes, file);
  if (!proto.graph) {
    const hint = "check that this is an ONNX model; a TensorFlow saved_model.pb is converted with tf2onnx";
    throw new ModelError("E3002", `${file}: no graph in this file, so it is no ONNX model`, { file, hint });
  }
  try {
    const model: Model = {
      irVersion: Number(proto.irVersion),
      opsets: new Map(proto.opsetImport.map(({ domain, version }) => [normalizeDomain(domain), Number(version)])),
      graph: parseGraph(proto.graph, options.external),
      metadata: new Map(proto.metadataProps.map(({ key, value }) => [key, value])),
      producerName: proto.producerName,
      producerVersion: proto.producerVersion,
    };
    return withSource(model, proto);
  } catch (error) {
    if (error instanceof CompressionError) throw error;
    throw new ModelError("E3002", `${file}: damaged graph (${messageOf(error)})`, { file }, error);
  }
}

function decode(bytes: Uint8Array, file: string): ModelProto {
  if (bytes.byteLength === 0) {
    throw new ModelError("E3002", `${file}: the file is empty`, { file, hint: "export or download the model again" });
  }
  const foreign = recogniseForeign(bytes);
  if (foreign) {
    const { what, hint } = foreign;
    throw new ModelError("E3002", `${file}: not an ONNX file but ${what}`, { file, actual: what, hint });
  }
  try {
    // A plain view: the methods of a Node Buffer behave differently.
    const view = new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
    checkWire(view, ModelProtoSchema);
    return fromBinary(ModelProtoSchema, view);
  } catch (error) {
    const hint = "check that this is an ONNX file and that its download was complete";
    throw new ModelError("E3002", `${file}: not an ONNX file, or damaged (${messageOf(error)})`, { file, hint }, error);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function parseGraph(proto: GraphProto, external: ExternalReader | undefined): Graph {
  const graph: Graph = {
    name: proto.name,
    nodes: proto.node.map((node) => parseNode(node, external)),
    inputs: proto.input.map(parseValueInfo),
    outputs: proto.output.map(parseValueInfo),
    initializers: new Map(),
    valueInfos: new Map(proto.valueInfo.map((info) => [info.name, parseValueInfo(info)])),
  };
  for (const tensor of proto.initializer) {
    if (graph.initializers.has(tensor.name)) {
      throw new ModelError("E3003", `initializer "${tensor.name}" is defined twice`, { tensor: tensor.name });
    }
    graph.initializers.set(tensor.name, parseTensor(tensor, external));
  }
  return withSource(graph, proto);
}

function parseNode(proto: NodeProto, external: ExternalReader | undefined): Node {
  const node: Node = {
    name: proto.name,
    opType: proto.opType,
    domain: normalizeDomain(proto.domain),
    inputs: [...proto.input],
    outputs: [...proto.output],
    attributes: new Map(),
  };
  for (const attribute of proto.attribute) {
    if (node.attributes.has(attribute.name)) {
      throw new ModelError(
        "E3003",
        `node "${labelOf(node)}" (${node.opType}): attribute ${attribute.name} is given twice`,
        {
          node: labelOf(node),
          opType: node.opType,
        },
      );
    }
    node.attributes.set(attribute.name, parseAttribute(attribute, external));
  }
  return withSource(node, proto);
}

function parseValueInfo(proto: ValueInfoProto): ValueInfo {
  const tensor = proto.type?.value.case === "tensorType" ? proto.type.value.value : undefined;
  const info: ValueInfo = {
    name: proto.name,
    dtype: tensor && dtypeFromCode(tensor.elemType),
    shape: tensor?.shape?.dim.map(({ value }) => {
      if (value.case === "dimValue") return Number(value.value);
      return value.case === "dimParam" && value.value !== "" ? value.value : undefined;
    }),
  };
  return withSource(info, proto);
}

const text = new TextDecoder();

/** Files before IR version 3 leave `type` unset: then the filled field tells the kind. */
function kindOf(proto: AttributeProto): Kind {
  if (proto.type !== Kind.UNDEFINED || proto.refAttrName !== "") return proto.type;
  if (proto.ints.length > 0) return Kind.INTS;
  if (proto.floats.length > 0) return Kind.FLOATS;
  if (proto.strings.length > 0) return Kind.STRINGS;
  if (proto.t) return Kind.TENSOR;
  if (proto.g) return Kind.GRAPH;
  if (proto.s.length > 0) return Kind.STRING;
  if (proto.f !== 0) return Kind.FLOAT;
  return Kind.INT;
}

function parseAttribute(proto: AttributeProto, external: ExternalReader | undefined): Attribute {
  return withSource<Attribute>(readAttribute(proto, external), proto);
}

function readAttribute(proto: AttributeProto, external: ExternalReader | undefined): Attribute {
  if (proto.refAttrName !== "") return { type: "opaque", value: null };
  switch (kindOf(proto)) {
    case Kind.FLOAT:
      return { type: "float", value: proto.f };
    case Kind.INT:
      return { type: "int", value: Number(proto.i) };
    case Kind.STRING:
      return { type: "string", value: text.decode(proto.s) };
    case Kind.FLOATS:
      return { type: "floats", value: proto.floats };
    case Kind.INTS:
      return { type: "ints", value: proto.ints.map(Number) };
    case Kind.STRINGS:
      return { type: "strings", value: proto.strings.map((value) => text.decode(value)) };
    case Kind.TENSOR:
      return proto.t ? { type: "tensor", value: parseTensor(proto.t, external) } : { type: "opaque", value: null };
    case Kind.GRAPH:
      return proto.g ? { type: "graph", value: parseGraph(proto.g, external) } : { type: "opaque", value: null };
    case Kind.GRAPHS:
      return { type: "graphs", value: proto.graphs.map((graph) => parseGraph(graph, external)) };
    default:
      return { type: "opaque", value: null };
  }
}
