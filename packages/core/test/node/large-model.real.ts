import { open, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { serializeModel, Tensor } from "../../src/graph/index.js";
import { readModel, writeModel } from "../../src/node.js";
import { convReluConv } from "../helpers/build.js";
import { temporaryFolder } from "../helpers/folder.js";

test("a model with 2.3 GB of weights is copied piece by piece", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "large.onnx");
  const model = convReluConv({ channels: 16 });
  // One tensor larger than any single read, and several behind it.
  const sizes = [2_200_000_000, 50_000_001, 50_000_000];
  let offset = 0;
  for (const [i, length] of sizes.entries()) {
    const place = { location: "large.bin", offset, length };
    model.graph.initializers.set(`huge${i}`, new Tensor("uint8", [length], () => new Uint8Array(0), place));
    offset += length;
  }
  await writeFile(path, serializeModel(model, { externalize: (_name, tensor) => tensor.external }));
  const file = await open(join(folder, "large.bin"), "w");
  await file.write(Uint8Array.of(1, 2, 3), 0, 3, sizes[0]! - 3);
  await file.write(Uint8Array.of(4, 5, 6), 0, 3, offset - 3);
  await file.close();

  const before = process.resourceUsage().maxRSS;
  const copy = join(folder, "copy.onnx");
  await writeModel(await readModel(path), copy);
  expect((process.resourceUsage().maxRSS - before) * 1024).toBeLessThan(400e6);

  expect((await stat(`${copy}.data`)).size).toBeGreaterThan(offset);
  expect((await stat(copy)).size).toBeLessThan(100_000);
  const read = (await readModel(copy)).graph.initializers;
  expect([...read.get("huge0")!.bytesBetween(sizes[0]! - 4, sizes[0]!)]).toEqual([0, 1, 2, 3]);
  expect([...read.get("huge2")!.bytes().subarray(-4)]).toEqual([0, 4, 5, 6]);
  const weight = model.graph.initializers.get("conv1.weight")!;
  expect(Buffer.compare(read.get("conv1.weight")!.bytes(), weight.bytes())).toBe(0);
});
