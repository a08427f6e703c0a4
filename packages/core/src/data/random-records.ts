import { type HostTensor, isFixed, type Signature, type SignatureInput, sizeOf } from "../graph/index.js";
import { createRandom } from "../math/random.js";
import type { Dataset } from "./dataset.js";
import { type RecordSource, recordDataset } from "./record-dataset.js";
import { tensorOf } from "./record-input.js";

/** Size that random samples have where the model leaves one open. */
const OPEN_SIZE = 16;

/** Random samples of a network that takes more than one array of numbers: floats in [0, 1), integers below the size of the table they index, or 2. */
export async function randomRecords(signature: Signature, samples: number, seed: number): Promise<Dataset> {
  const data = signature.inputs.filter(({ role }) => role === "data");
  const source: RecordSource = {
    length: samples,
    names: new Set(data.map(({ name }) => name)),
    sequence: String,
    id: (index) => `random[${index}]`,
    read: (index) => Object.fromEntries(data.map((input, at) => [input.name, randomTensor(input, seed, index, at)])),
  };
  return { ...(await recordDataset(source, signature)), random: true };
}

function randomTensor(input: SignatureInput, seed: number, index: number, at: number): HostTensor {
  const { dims = [], dtype = "float32", limit = 2 } = input;
  const sizes = dims.map((dim, axis) => (isFixed(dim) ? dim : axis === 0 ? 1 : OPEN_SIZE));
  const random = createRandom(seed, index * 64 + at);
  const float = dtype.startsWith("float");
  const mask = /mask/i.test(input.name);
  const values = Array.from({ length: sizeOf(sizes) }, () =>
    float ? random.uniform() : mask ? 1 : Math.floor(random.uniform() * limit),
  );
  return tensorOf(input, sizes, values, "random");
}
