import { describe, expect, test } from "vitest";
import { parseModel, recogniseForeign } from "../../src/graph/index.js";
import { cpuMs } from "../helpers/cpu-time.js";
import { fileWith, float32, kitchenSink, utf8 } from "./kitchen-sink.js";

const refused = (bytes: Uint8Array, message: RegExp) =>
  expect(() => parseModel(bytes, { file: "m.onnx" })).toThrow(
    expect.objectContaining({ code: "E3002", message: expect.stringMatching(message), hint: expect.any(String) }),
  );

/** A length-delimited field: number, then content. */
function field(number: number, ...content: (number | Uint8Array)[]): Uint8Array {
  const body = Buffer.concat(content.map((part) => (typeof part === "number" ? Uint8Array.of(part) : part)));
  const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)]);
  return Buffer.concat([Uint8Array.from([...varint((number << 3) | 2), ...varint(body.length)]), body]);
}

describe("files that people take for a model", () => {
  const bytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
  const padded = (at: number, text: string) => {
    const result = new Uint8Array(600);
    result.set(bytes(text), at);
    return result;
  };
  test.each<[string, Uint8Array, RegExp]>([
    ["PNG", bytes("\x89PNG\r\n\x1a\n...."), /a PNG image/],
    ["JPEG", bytes("\xff\xd8\xff\xe0.."), /a JPEG image/],
    ["zip", bytes("PK\x03\x04 readme.txt"), /a zip archive/],
    ["PyTorch", bytes("PK\x03\x04\0\0 model/data.pkl"), /a PyTorch checkpoint/],
    ["Keras 3", bytes("PK\x03\x04\0 config.json model.weights.h5"), /a Keras model/],
    ["npz", bytes("PK\x03\x04\0 images.npy"), /a NumPy archive/],
    ["old PyTorch", bytes("\x80\x02\x8a\x0al\xfc\x9cF"), /an old PyTorch checkpoint/],
    ["pickle", bytes("\x80\x04}q\0."), /a Python pickle/],
    ["HDF5", bytes("\x89HDF\r\n\x1a\n"), /Keras \.h5/],
    ["TensorFlow Lite", padded(4, "TFL3"), /TensorFlow Lite/],
    ["ORT format", padded(4, "ORTM"), /\.ort/],
    ["tar", padded(257, "ustar"), /a tar archive/],
    ["gzip", bytes("\x1f\x8b\x08\0"), /a gzip archive/],
    ["npy", bytes("\x93NUMPY\x01\0"), /a NumPy array/],
    ["safetensors", bytes('\x40\0\0\0\0\0\0\0{"w":{"dtype":"F32","shape":[1]}}'), /safetensors/],
    ["Git LFS", bytes("version https://git-lfs.github.com/spec/v1\noid sha256:00\n"), /Git LFS pointer/],
    ["web page", bytes("\n<!DOCTYPE html><html>"), /a web page/],
    ["XML", bytes('<?xml version="1.0"?><net name="m">'), /an XML file/],
    ["JSON", bytes('{\n  "format": "layers-model"'), /a JSON file/],
    ["JSON with byte order mark", bytes('\xef\xbb\xbf{ "a": 1'), /a JSON file/],
  ])("%s", (_, content, what) => {
    expect(recogniseForeign(content)?.what).toMatch(what);
    refused(content, what);
  });

  test("no model is taken for one of them", () => {
    expect(recogniseForeign(kitchenSink())).toBeUndefined();
    expect(recogniseForeign(new Uint8Array(0))).toBeUndefined();
  });

  test("empty, text, and a file of zeros", () => {
    refused(new Uint8Array(0), /the file is empty/);
    refused(bytes("hello world, this is no model"), /not an ONNX file, or damaged/);
    refused(new Uint8Array(1000), /not an ONNX file, or damaged/);
    refused(field(2, bytes("producer")), /no graph in this file/);
  });
});

describe("damage that the decoder itself would let through", () => {
  const NODE = 1;
  const GRAPH = 7;

  test("a part that ends behind the part it lies in", () => {
    // A graph of 4 bytes whose node says it has 6: the bytes behind belong to the model.
    refused(Uint8Array.from([0x3a, 4, 0x0a, 6, 0x0a, 1, 0x61, 0x12, 1, 0x62]), /ends behind the part it lies in/);
  });

  test("huge lengths", () => {
    refused(Uint8Array.from([0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f]), /ends behind/);
    refused(Uint8Array.from([0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), /ends behind/);
    refused(Uint8Array.from([0x3a, ...new Array(11).fill(0xff)]), /invalid number/);
  });

  test("a field with the wrong encoding, a group, an invalid field number", () => {
    refused(field(GRAPH, 0x10, 5), /field name has the wrong encoding/);
    refused(Uint8Array.from([0x08, 8, 0x3b, 0x3c]), /wrong encoding|wire type/);
    refused(Uint8Array.from([0x00, 1]), /invalid field number/);
    refused(Uint8Array.from([0xf3, 0x3e, 0xf4, 0x3e]), /wire type 3/);
  });

  test("names that are not UTF-8; doc strings may be anything", () => {
    refused(field(GRAPH, field(NODE, field(3, 0x61, 0xff))), /name at byte \d+ is not valid UTF-8/);
    refused(field(GRAPH, field(NODE, field(1, 0xc3, 0x28))), /input at byte \d+ is not valid UTF-8/);
    const model = parseModel(field(GRAPH, field(NODE, field(3, utf8("ä")), field(6, 0xff))));
    expect(model.graph.nodes[0]!.name).toBe("ä");
  });

  test("packed numbers that are cut", () => {
    const INITIALIZER = 5;
    refused(field(GRAPH, field(INITIALIZER, field(4, 1, 2, 3))), /float_data at byte \d+ is cut/);
    refused(field(GRAPH, field(INITIALIZER, field(7, 1, 0x80))), /int64_data at byte \d+ is cut/);
  });

  test("subgraphs nested without end", () => {
    let graph: Uint8Array = field(NODE, field(4, utf8("Relu")));
    for (let depth = 0; depth < 500; depth++) {
      const attribute = Buffer.concat([field(1, utf8("body")), field(6, graph)]);
      graph = field(NODE, Buffer.concat([field(4, utf8("If")), field(5, attribute)]));
    }
    refused(field(GRAPH, graph), /nested more than 100 levels/);
  });

  test("a file that would unpack to gigabytes", () => {
    // Nodes of two bytes each: a document a hundred times the size of the file.
    const nodes = new Uint8Array(8_000_000);
    for (let at = 0; at < nodes.length; at += 2) nodes[at] = 0x0a;
    const file = field(GRAPH, nodes);
    expect(cpuMs(() => refused(file, /far more memory than its size/))).toBeLessThan(1000);
  });
});

describe("graphs that cannot be represented", () => {
  const invalid = (bytes: Uint8Array, message: RegExp) =>
    expect(() => parseModel(bytes)).toThrow(
      expect.objectContaining({ code: "E3003", message: expect.stringMatching(message) }),
    );

  test("an initializer or an attribute given twice", () => {
    invalid(
      fileWith({ initializer: [float32("w", [1], [1]), float32("w", [1], [2])] }),
      /initializer "w" is defined twice/,
    );
    const attribute = [{ name: "axis" }, { name: "axis" }];
    invalid(
      fileWith({ node: [{ opType: "Concat", name: "c", attribute }] }),
      /node "c" \(Concat\): attribute axis is given twice/,
    );
  });
});
