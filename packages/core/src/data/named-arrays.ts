import type { Signature, SignatureInput } from "../graph/index.js";
import { sizeOf } from "../graph/index.js";
import type { ArraySource, WholeArray } from "./array-source.js";
import { baseName, type DataFile, keptFile } from "./data-file.js";
import { fileError } from "./errors.js";
import type { DecodedImage } from "./image.js";
import { imageTarget, type ModelInput } from "./input.js";
import { requireLabelValues } from "./labels.js";
import { openNpy } from "./npy.js";
import { createPreprocessor, type PreprocessOptions } from "./preprocess.js";
import type { RecordSource } from "./record-dataset.js";
import { type SampleLayout, sampleLayout, tensorOf } from "./record-input.js";

/** Names under which labels are saved beside the inputs. */
const LABEL_KEYS = ["labels", "label", "y", "Y", "targets"];

/** Arrays by input name: the entries of an .npz, or .npy files that bear the inputs' names. */
export async function openNamedArrays(
  file: string,
  entries: readonly DataFile[],
  { inputs }: Signature,
  preprocess: PreprocessOptions = {},
): Promise<RecordSource> {
  const named = new Map(entries.map((entry) => [baseName(entry.path).replace(/\.npy$/i, ""), entry]));
  const data = inputs.filter(({ role }) => role === "data");
  const open = (name: string) => openNpy(keptFile(named.get(name)!));
  const parts: Part[] = [];
  for (const input of inputs)
    if (named.has(input.name)) parts.push(new Part(input, await open(input.name), preprocess));
  // One array for one input needs no name.
  const others = [...named.keys()].filter((name) => !LABEL_KEYS.includes(name));
  if (parts.length === 0 && others.length === 1 && data.length === 1)
    parts.push(new Part(data[0]!, await open(others[0]!), preprocess));
  if (parts.length === 0) {
    const names = inputs.map(({ name }) => name).join(", ");
    throw fileError(
      "E5001",
      file,
      `holds ${others.join(", ") || "no array"}, the model takes ${names}`,
      "Save one array an input: numpy.savez(file, NAME=array).",
      {
        expected: inputs.map(({ name }) => name),
        actual: [...named.keys()],
      },
    );
  }
  const length = lengthOf(parts, file);
  const labelKey = LABEL_KEYS.find((key) => named.has(key) && !inputs.some(({ name }) => name === key));
  const labels =
    labelKey === undefined ? undefined : requireLabelValues(await (await open(labelKey)).all(), length, file);
  const constants = new Map(
    await Promise.all(
      parts.filter((part) => part.isConstant(length)).map(async (part) => [part, await part.whole()] as const),
    ),
  );
  return {
    length,
    names: new Set(parts.map(({ input }) => input.name)),
    sequence: () => file,
    id: (index) => `${file}[${index}]`,
    async read(index) {
      const pairs = parts.map(
        async (part) => [part.input.name, constants.get(part) ?? (await part.sample(index))] as const,
      );
      return Object.fromEntries(await Promise.all(pairs));
    },
    ...(labels && { label: (index: number) => labels[index]! }),
  };
}

/** Samples there are: all arrays that are no constants have as many. @throws {DataError} E5003 they have not. */
function lengthOf(parts: readonly Part[], file: string): number {
  const counted = parts.filter(({ layout }) => layout.count !== undefined);
  // Where all arrays are as large as their inputs, their first dimension counts after all: a network that fixes its batch.
  const counts = (counted.length > 0 ? counted : parts).map(({ source }) => source.shape[0] ?? 1);
  if (new Set(counts).size <= 1) return counted.length > 0 ? counts[0]! : 1;
  const sizes = counted.map(({ input, source }) => `${input.name} ${source.shape[0]}`).join(", ");
  throw fileError(
    "E5003",
    file,
    `has arrays of different lengths (${sizes})`,
    "The first dimension of every array counts the samples.",
    {
      actual: counts,
    },
  );
}

/** The array of one input. */
class Part {
  readonly layout: SampleLayout;
  readonly #image: ((values: Uint8Array, out: Float32Array) => void) | undefined;

  constructor(
    readonly input: SignatureInput,
    readonly source: WholeArray,
    preprocess: PreprocessOptions,
  ) {
    const image = imageOf(input, source, preprocess);
    this.#image = image?.write;
    this.layout = image
      ? { count: source.shape[0]!, dims: [1, ...image.shape] }
      : sampleLayout(input, source.shape, source.file);
  }

  isConstant(length: number): boolean {
    return this.layout.count === undefined && !(this.input.role === "data" && this.source.shape[0] === length);
  }

  async whole() {
    return tensorOf(this.input, this.layout.dims, await this.source.all(), this.source.file);
  }

  async sample(index: number) {
    const { dims, count } = this.layout;
    const values = await this.source.sample(index);
    if (this.#image) {
      const data = new Float32Array(sizeOf(dims));
      this.#image(values as Uint8Array, data);
      return tensorOf(this.input, dims, data, this.source.file);
    }
    const own = count === undefined ? [1, ...dims.slice(1)] : dims;
    return tensorOf(this.input, own, values, `${this.source.file}[${index}]`);
  }
}

/** uint8 pixels for an image input of floats go through the preprocessor, like any image. */
function imageOf(input: SignatureInput, { dtype, shape, file }: ArraySource, preprocess: PreprocessOptions) {
  if (dtype !== "uint8" || input.dtype !== "float32" || input.dims?.length !== 4 || shape.length !== 4)
    return undefined;
  const [, a, b, c] = shape as [number, number, number, number];
  const planar = c !== 1 && c !== 3;
  if (planar && a !== 1 && a !== 3) return undefined;
  const [height, width, channels] = planar ? [b, c, a] : [a, b, c];
  const first = input.dims[1];
  const own = first === 1 || first === 3 ? [channels, height, width] : [height, width, channels];
  const sizes = input.dims.slice(1).map((dim, axis) => (typeof dim === "number" && dim > 0 ? dim : own[axis]!));
  const model: ModelInput = { shape: sizes };
  const target = imageTarget(model);
  if (!target) return undefined;
  const toSample = createPreprocessor(preprocess, target);
  const interleaved = (values: Uint8Array): DecodedImage => {
    if (!planar || channels === 1) return { width, height, channels, data: values };
    const area = width * height;
    return {
      width,
      height,
      channels,
      data: Uint8Array.from(values, (_, i) => values[(i % channels) * area + Math.floor(i / channels)]!),
    };
  };
  return {
    shape: sizes,
    write: (values: Uint8Array, out: Float32Array) => toSample(interleaved(values), file, out, 0),
  };
}
