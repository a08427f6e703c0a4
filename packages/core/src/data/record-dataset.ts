import { DataError } from "../errors.js";
import {
  byteLengthOf,
  type HostTensor,
  isFixed,
  type Signature,
  type SignatureInput,
  sizeOf,
  Tensor,
} from "../graph/index.js";
import type { Dataset, Sample } from "./dataset.js";

/** Values of some inputs, sample by sample. */
export interface RecordSource {
  readonly length: number;
  id(index: number): string;
  label?(index: number): number;
  /** The file that a sample goes on in. */
  sequence(index: number): string;
  /** What the source has for a sample, by input name. */
  read(index: number): Promise<Readonly<Record<string, HostTensor>>> | Readonly<Record<string, HostTensor>>;
  /** Names that every sample has. */
  readonly names: ReadonlySet<string>;
}

/**
 * A dataset of records: what the source has, and what follows from it for inputs it leaves out — states begin at zero, masks let all
 * through, types of tokens are zero, positions count. `constants` are the same in every sample.
 * @throws {DataError} E5001 an input that nothing gives.
 */
export async function recordDataset(
  source: RecordSource,
  { inputs }: Signature,
  constants: Readonly<Record<string, HostTensor>> = {},
): Promise<Dataset> {
  const first = source.length > 0 ? await source.read(0) : {};
  const given = inputs.filter(({ name }) => source.names.has(name));
  const data = given.find(({ role }) => role === "data") ?? given[0];
  const fixed: Record<string, HostTensor> = { ...constants };
  const derived: SignatureInput[] = [];
  for (const input of inputs) {
    if (source.names.has(input.name) || fixed[input.name]) continue;
    if (input.role === "state") fixed[input.name] = zeroState(input);
    else if (isDerived(input) && data) derived.push(input);
    else throw missing(input, source, inputs);
  }
  const like = data && first[data.name];
  return {
    length: source.length,
    shape: like?.dims[0] === 1 ? like.dims.slice(1) : (like?.dims ?? []),
    id: (index) => source.id(index),
    sequence: (index) => source.sequence(index),
    fill() {
      throw new TypeError("data: records are read whole");
    },
    async record(index) {
      const own = await source.read(index);
      const sample: Record<string, HostTensor> = {};
      for (const input of inputs) {
        const given = constants[input.name] ?? own[input.name] ?? fixed[input.name];
        sample[input.name] = given ?? derive(input, own[data!.name]!);
      }
      return sample as Sample;
    },
    ...(source.label && { label: (index: number) => source.label!(index) }),
  };
}

function isDerived({ name, dtype }: SignatureInput): boolean {
  return dtype !== undefined && /mask|token_type|segment|position/i.test(name);
}

/** An input that goes with the tokens: of their sizes. */
function derive(input: SignatureInput, { dims }: HostTensor): HostTensor {
  const dtype = input.dtype ?? "float32";
  const tensor = zeros(dtype, dims);
  const length = dims.at(-1) ?? 1;
  const value = (at: number) => (/mask/i.test(input.name) ? 1 : /position/i.test(input.name) ? at % length : 0);
  const { data } = tensor;
  for (let i = 0; i < data.length; i++) {
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[i] = BigInt(value(i));
    else data[i] = value(i);
  }
  return tensor;
}

function zeroState({ dtype = "float32", dims = [] }: SignatureInput): HostTensor {
  return zeros(
    dtype,
    dims.map((dim) => (isFixed(dim) ? dim : 1)),
  );
}

function zeros(dtype: HostTensor["dtype"], dims: readonly number[]): HostTensor {
  return { dtype, dims, data: new Tensor(dtype, dims, new Uint8Array(byteLengthOf(dtype, sizeOf(dims))!)).array() };
}

function missing(
  { name, dtype, dims }: SignatureInput,
  source: RecordSource,
  inputs: readonly SignatureInput[],
): DataError {
  const given = [...source.names].join(", ") || "none";
  const sizes = dims ? ` [${dims.map((dim) => dim ?? "?").join(", ")}]` : "";
  return new DataError("E5001", `data: nothing for input "${name}" (${dtype ?? "?"}${sizes}); given are ${given}`, {
    tensor: name,
    expected: inputs.map((input) => input.name),
    actual: [...source.names],
    hint: `give an .npz with one array an input, or JSON lines with these keys; a constant or state as --state ${name}=FILE`,
  });
}
