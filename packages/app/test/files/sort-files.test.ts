import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { groupFiles, roleOf, sortFiles } from "../../src/files/sort-files.js";
import type { PlacedFile } from "../../src/protocol.js";

const bytes = (...values: (number | string)[]) =>
  Uint8Array.from(
    values.flatMap((value) => (typeof value === "string" ? [...value].map((char) => char.charCodeAt(0)) : [value])),
  );
const file = (path: string, head: Uint8Array<ArrayBuffer>): PlacedFile => ({ path, blob: new Blob([head]) });

const PNG = bytes(0x89, "PNG\r\n", 0x1a, "\n");
const MODEL = bytes(0x08, 8, 0x12, 7, "pytorch");
const digits = new Uint8Array(readFileSync(join(import.meta.dirname, "../../../cli/assets/digits.onnx")));

test.each([
  ["model", digits.subarray(0, 64)],
  ["model", MODEL],
  ["image", PNG],
  ["image", bytes(0xff, 0xd8, 0xff, 0xe0)],
  ["array", bytes(0x93, "NUMPY", 1, 0)],
  ["array", bytes(0, 0, 8, 3, 0, 0, 0, 10)],
  ["zip", bytes("PK", 3, 4)],
  ["json", bytes(' {"steps": []}')],
  ["text", bytes("file,label\n")],
  ["other", bytes(200, 13, 77, 1)],
])("%s is known by its content", (role, head) => {
  expect(roleOf(head, "name-says-nothing")).toBe(role);
});

test("a drop of everything is sorted, clutter left out", async () => {
  const sorted = await sortFiles([
    file("drop/model.onnx", MODEL),
    file("drop/model.onnx.data", bytes(9, 9, 9)),
    file("drop/cat/1.png", PNG),
    file("drop/labels.csv", bytes("file,label\n1.png,0")),
    file("drop/recipe.json", bytes('{"steps": []}')),
    file("drop/.DS_Store", PNG),
  ]);
  const { model, data, json } = groupFiles(sorted);
  expect(model?.path).toBe("drop/model.onnx");
  expect(data.map(({ path }) => path)).toEqual(["drop/cat/1.png", "drop/labels.csv"]);
  expect(json.map(({ path }) => path)).toEqual(["drop/recipe.json"]);
});

test("an image called model.onnx is taken for a model, so that it is refused as one", async () => {
  const { model, data } = groupFiles(await sortFiles([file("model.onnx", PNG)]));
  expect(model?.path).toBe("model.onnx");
  expect(data).toEqual([]);
});
