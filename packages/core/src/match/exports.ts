import {
  cloneModel,
  createNode,
  int,
  labelOf,
  type Model,
  NameAllocator,
  sortNodes,
  Tensor,
  Uses,
} from "../graph/index.js";
import { type Encoding, representableRange } from "../math/index.js";
import type { ExportName } from "./export-names.js";
import { readQdq } from "./read-qdq.js";

/**
 * A Q/DQ file in the form that another tool reads; whoever wrote it. No data are needed.
 * - `aimet`: encodings JSON of AIMET, version 0.6.1: bit width, offset = qmin − zeroPoint, min = scale·offset, for values and weights.
 * - `tensorrt-cache`: TensorRT's calibration cache: scale = max |x| / 127 of every value as the bits of a float32, in hexadecimal.
 * - `tensorrt-ranges`: JSON, by value the largest magnitude, for `ITensor.dynamic_range`.
 * - `ort-calibration`: ONNX Runtime's calibration.json (`write_calibration_table`): by value lowest and highest.
 * - `openvino`: the float network with FakeQuantize of the domain org.openvinotoolkit on values and weights.
 * - `c-header`: integers, scales and zero points as C arrays; shifts besides where scales are powers of two.
 * @throws {ModelError} E4005 the model is not quantized, or in another form than Q/DQ.
 */
export function exportQuantized(model: Model, name: Exclude<ExportName, "openvino">): string {
  switch (name) {
    case "aimet":
      return aimet(model);
    case "tensorrt-cache":
      return tensorrtCache(model);
    case "tensorrt-ranges":
      return json(Object.fromEntries(magnitudes(model)));
    case "ort-calibration":
      return ortCalibration(model);
    case "c-header":
      return cHeader(model);
  }
}

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

function aimet(model: Model): string {
  const { activations, constants } = readQdq(model);
  const entries = (encoding: Encoding) =>
    Array.from(encoding.scale, (scale, channel) => {
      const { min, max } = representableRange(encoding, channel);
      return {
        bitwidth: encoding.bits,
        dtype: "int",
        is_symmetric: encoding.symmetric ? "True" : "False",
        max,
        min,
        offset: encoding.qmin - encoding.zeroPoint[channel]!,
        scale,
      };
    });
  // Biases follow from the scales of input and weight.
  const learned = [...constants.values()].filter(({ encoding }) => encoding.dtype !== "int32");
  return json({
    version: "0.6.1",
    activation_encodings: Object.fromEntries([...activations].map(([value, encoding]) => [value, entries(encoding)])),
    param_encodings: Object.fromEntries(learned.map(({ stem, encoding }) => [stem, entries(encoding)])),
  });
}

/** Largest magnitude that every value's encoding can hold. */
function magnitudes(model: Model): [string, number][] {
  return [...readQdq(model).activations].map(([value, encoding]) => {
    const { min, max } = representableRange(encoding);
    return [value, Math.max(-min, max)];
  });
}

function tensorrtCache(model: Model): string {
  const view = new DataView(new ArrayBuffer(4));
  const lines = magnitudes(model).map(([value, most]) => {
    view.setFloat32(0, most / 127);
    return `${value}: ${view.getUint32(0).toString(16).padStart(8, "0")}`;
  });
  // The number is TensorRT's version; readers look at the name behind it.
  return `TRT-8601-EntropyCalibration2\n${lines.join("\n")}\n`;
}

function ortCalibration(model: Model): string {
  const scalar = (data: number) => ({ data, dtype: "float32", CLS: "numpy.array" });
  const values = [...readQdq(model).activations].map(([value, encoding]) => {
    const { min, max } = representableRange(encoding);
    return [value, { lowest: scalar(min), highest: scalar(max), CLS: "TensorData" }];
  });
  return json(Object.fromEntries(values));
}

/** The network with FakeQuantize nodes where the file has Q/DQ pairs: OpenVINO's form. ONNX Runtime does not run it. */
export function fakeQuantizeModel(model: Model): Model {
  const { activations, constants, skeleton } = readQdq(model);
  const result = cloneModel(skeleton);
  const { graph } = result;
  const names = new NameAllocator(graph);
  const uses = new Uses(graph);
  result.opsets.set("org.openvinotoolkit", 1);
  const insert = (value: string, encoding: Encoding, rank: number) => {
    const { axis, scale, qmin, qmax } = encoding;
    const bounds = Array.from(scale, (_, channel) => representableRange(encoding, channel));
    const dims = axis === null ? [] : Array.from({ length: rank }, (_, at) => (at === axis ? scale.length : 1));
    const inputs = (["min", "max"] as const).map((side) => {
      const name = names.allocate(`${value}_${side}`);
      graph.initializers.set(
        name,
        Tensor.float32(
          dims,
          bounds.map((bound) => bound[side]),
        ),
      );
      return name;
    });
    const output = names.allocate(`${value}_fake_quantized`);
    const isOutput = graph.outputs.some(({ name }) => name === value);
    const source = isOutput ? names.allocate(`${value}_float`) : value;
    if (isOutput) {
      for (const node of graph.nodes) node.outputs = node.outputs.map((name) => (name === value ? source : name));
    }
    if (!isOutput) uses.replace(value, output);
    graph.nodes.push(
      createNode({
        opType: "FakeQuantize",
        domain: "org.openvinotoolkit",
        inputs: [source, ...inputs, ...inputs],
        outputs: [isOutput ? value : output],
        name: names.allocate(`${value}_FakeQuantize`),
        attributes: { levels: int(qmax - qmin + 1) },
      }),
    );
  };
  for (const [value, encoding] of activations) insert(value, encoding, 0);
  for (const [value, { encoding, data }] of constants) {
    if (encoding.dtype !== "int32") insert(value, encoding, data.dims.length);
  }
  sortNodes(graph);
  return result;
}

function cHeader(model: Model): string {
  const { activations, constants } = readQdq(model);
  const used = new Set<string>();
  const identifier = (name: string) => {
    const stem = name.replace(/\W/g, "_").replace(/^(?=\d)/, "_");
    let own = stem;
    for (let k = 2; used.has(own); k++) own = `${stem}_${k}`;
    used.add(own);
    return own;
  };
  const array = (type: string, name: string, values: Iterable<number | string>) => {
    const all = [...values];
    return `static const ${type} ${name}[${all.length}] = { ${all.join(", ")} };`;
  };
  const encodingLines = (name: string, { scale, zeroPoint }: Encoding) => {
    const shifts = Array.from(scale, Math.log2);
    const lines = [
      array("float", `${name}_scale`, Array.from(scale, cFloat)),
      array("int32_t", `${name}_zero_point`, zeroPoint),
    ];
    if (shifts.every(Number.isInteger)) lines.push(array("int8_t", `${name}_scale_log2`, shifts));
    return lines;
  };
  const lines = [
    "/* Integers, scales and zero points: real = scale * (integer - zero point). */",
    "#pragma once",
    "#include <stdint.h>",
    "",
  ];
  for (const { stem, data, encoding } of constants.values()) {
    const name = identifier(stem);
    lines.push(`/* ${comment(stem)}: ${data.dtype} [${data.dims.join(", ")}] */`);
    lines.push(array(`${data.dtype}_t`, name, data.numbers()), ...encodingLines(name, encoding), "");
  }
  for (const [value, encoding] of activations) {
    const name = identifier(value);
    lines.push(
      `/* ${comment(value)}: ${encoding.dtype}, ${encoding.bits} bits */`,
      ...encodingLines(name, encoding),
      "",
    );
  }
  for (const node of model.graph.nodes) {
    if (/^(Q|Deq)uantizeLinear$/i.test(node.opType)) continue;
    lines.push(
      `/* ${comment(labelOf(node))}: ${node.opType} (${node.inputs.map(comment).join(", ")}) -> ${node.outputs.map(comment).join(", ")} */`,
    );
  }
  return `${lines.join("\n")}\n`;
}

const comment = (text: string) => text.replaceAll("*/", "* /");

/** The shortest decimal that is this float32. */
function cFloat(value: number): string {
  for (let digits = 6; digits < 9; digits++) {
    const text = value.toExponential(digits);
    if (Math.fround(Number(text)) === value) return `${text}f`;
  }
  return `${value.toExponential(9)}f`;
}
