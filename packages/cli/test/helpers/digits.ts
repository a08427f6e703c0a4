import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRandom, digitImage, parseModel, serializeModel, Tensor } from "@equant/core/lab";

/** The digit network in the command's assets. */
export const DIGITS_MODEL = fileURLToPath(new URL("../../assets/digits.onnx", import.meta.url));

/** Index of the first image that the network was not trained on. */
const HELD_OUT = 7500;

function idx(dims: readonly number[], data: Uint8Array): Uint8Array {
  const header = new DataView(new ArrayBuffer(4 + 4 * dims.length));
  header.setUint32(0, 0x0800 + dims.length);
  dims.forEach((dim, i) => {
    header.setUint32(4 + 4 * i, dim);
  });
  return Buffer.concat([new Uint8Array(header.buffer), data]);
}

/** Writes held-out digits as an IDX pair, labels through `relabel`; returns the path of the images. */
export async function writeDigits(
  folder: string,
  count: number,
  relabel: (digit: number) => number = (digit) => digit,
): Promise<string> {
  const images = new Uint8Array(count * 784);
  for (let i = 0; i < count; i++) images.set(digitImage(HELD_OUT + i, 0), i * 784);
  const labels = Uint8Array.from({ length: count }, (_, i) => relabel((HELD_OUT + i) % 10));
  await writeFile(join(folder, "digits-images-idx3-ubyte"), idx([count, 28, 28], images));
  await writeFile(join(folder, "digits-labels-idx1-ubyte"), idx([count], labels));
  return join(folder, "digits-images-idx3-ubyte");
}

/** The digit network with noise on the weights of its last layer: it answers worse. Returns the path. */
export async function writeDamagedModel(folder: string, noise: number): Promise<string> {
  const model = parseModel(await readFile(DIGITS_MODEL));
  const layer = model.graph.nodes.find(({ opType }) => opType === "Gemm")!;
  const weight = model.graph.initializers.get(layer.inputs[1]!)!;
  const random = createRandom(1);
  const values = Float32Array.from(weight.array() as Float32Array, (value) => value + noise * random.normal());
  model.graph.initializers.set(layer.inputs[1]!, Tensor.float32(weight.dims, values));
  const path = join(folder, "damaged.onnx");
  await writeFile(path, serializeModel(model));
  return path;
}
