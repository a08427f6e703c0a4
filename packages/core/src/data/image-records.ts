import { DataError } from "../errors.js";
import { type HostTensor, type Signature, type SignatureInput, sizeOf } from "../graph/index.js";
import type { Classified } from "./classify.js";
import { baseName, type DataFile } from "./data-file.js";
import type { Dataset } from "./dataset.js";
import { openNamedArrays } from "./named-arrays.js";
import { openImages } from "./open-images.js";
import type { OpenedPart, OpenOptions } from "./open-types.js";
import { plainInput } from "./plain-input.js";
import { type RecordSource, recordDataset } from "./record-dataset.js";
import { tensorOf } from "./record-input.js";

/**
 * Images for one input beside arrays for others: a folder of images, and `t.npy` for the input `t`, with a row for every image in their
 * order. Undefined where no input, or more than one, takes images.
 * @throws {DataError} E5003 an array of another length.
 */
export async function openImageRecords(
  images: readonly DataFile[],
  items: readonly Classified[],
  files: readonly DataFile[],
  options: OpenOptions,
  name: string,
): Promise<OpenedPart | undefined> {
  const { signature, preprocess } = options;
  const takers = signature?.inputs.filter(isImageInput) ?? [];
  const [taker] = takers;
  if (!signature || !taker || takers.length > 1) return undefined;
  const input = plainInput({ inputs: [taker], outputs: [] }, undefined, preprocess);
  if (!input || input.shape.includes(0)) return undefined;
  const part = await openImages(images, files, { ...options, input });
  const others: Signature = { ...signature, inputs: signature.inputs.filter((own) => own !== taker) };
  const arrays = items.filter(({ kind, file }) => kind === "npy" && isNamed(file, others)).map(({ file }) => file);
  const rows = arrays.length > 0 ? await openNamedArrays(name, arrays, others, preprocess ?? {}) : undefined;
  const { dataset } = part;
  if (rows && rows.length !== dataset.length && rows.length !== 1) {
    throw new DataError("E5003", `data: ${dataset.length} images beside arrays of ${rows.length} rows`, {
      file: name,
      expected: dataset.length,
      actual: rows.length,
      hint: "give a row for every image, in the order of their names",
    });
  }
  const source = imageSource(dataset, taker, rows);
  return { ...part, dataset: { ...dataset, ...(await recordDataset(source, signature, options.constants)) } };
}

function isImageInput({ role, dtype, dims }: SignatureInput): boolean {
  const isColor = (size: unknown) => size === 1 || size === 3;
  return (
    role === "data" &&
    (dtype ?? "float32") === "float32" &&
    dims?.length === 4 &&
    (isColor(dims[1]) || isColor(dims[3]))
  );
}

const isNamed = ({ path }: DataFile, { inputs }: Signature) =>
  inputs.some((own) => own.name === baseName(path).replace(/\.npy$/i, ""));

function imageSource(dataset: Dataset, taker: SignatureInput, rows: RecordSource | undefined): RecordSource {
  const { label } = dataset;
  return {
    length: dataset.length,
    names: new Set([taker.name, ...(rows?.names ?? [])]),
    id: (index) => dataset.id(index),
    sequence: (index) => dataset.id(index),
    async read(index) {
      const pixels = new Float32Array(sizeOf(dataset.shape));
      await dataset.fill(index, pixels, 0);
      const image: HostTensor = tensorOf(taker, [1, ...dataset.shape], pixels, dataset.id(index));
      return { ...(rows && (await rows.read(rows.length === 1 ? 0 : index))), [taker.name]: image };
    },
    ...(label && { label: (index: number) => label.call(dataset, index) }),
  };
}
