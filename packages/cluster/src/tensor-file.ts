import { DataError } from "@equant/core/errors";
import { type DType, type HostTensor, Tensor } from "@equant/core/lab";

/** Tensors by name with what belongs to them, as bytes: the length of a JSON header, the header, and the elements of each tensor. */
export interface TensorRecord<Meta> {
  readonly meta: Meta;
  readonly tensors: Readonly<Record<string, HostTensor>>;
}

interface Header {
  readonly records: { readonly meta: unknown; readonly tensors: [string, DType, number[], number][] }[];
}

/** Elements begin at multiples of this, so that they are read where they lie. */
const ALIGNMENT = 8;

const aligned = (size: number) => Math.ceil(size / ALIGNMENT) * ALIGNMENT;

/** Writes records; {@link decodeRecords} reads them. Equal records give equal bytes. */
export function encodeRecords(records: readonly TensorRecord<unknown>[]): Uint8Array {
  const parts: Uint8Array[] = [];
  let size = 0;
  const described = records.map(({ meta, tensors }) => ({
    meta,
    tensors: Object.entries(tensors).map(([name, { dtype, dims, data }]): [string, DType, number[], number] => {
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      parts.push(bytes);
      size += aligned(bytes.length);
      return [name, dtype, [...dims], bytes.length];
    }),
  }));
  const header = new TextEncoder().encode(JSON.stringify({ records: described } satisfies Header));
  const start = aligned(4 + header.length);
  const file = new Uint8Array(start + size);
  new DataView(file.buffer).setUint32(0, header.length, true);
  file.set(header, 4);
  let at = start;
  for (const part of parts) {
    file.set(part, at);
    at += aligned(part.length);
  }
  return file;
}

/** @throws {DataError} E5002 what is no file of {@link encodeRecords}, or was cut off. */
export function decodeRecords<Meta>(file: Uint8Array, name: string): TensorRecord<Meta>[] {
  try {
    const length = new DataView(file.buffer, file.byteOffset, file.byteLength).getUint32(0, true);
    const { records } = JSON.parse(new TextDecoder().decode(file.subarray(4, 4 + length))) as Header;
    let at = aligned(4 + length);
    return records.map(({ meta, tensors }) => ({
      meta: meta as Meta,
      tensors: Object.fromEntries(
        tensors.map(([tensor, dtype, dims, bytes]) => {
          const slice = file.slice(at, at + bytes);
          if (slice.length !== bytes) throw new RangeError("cut off");
          at += aligned(bytes);
          return [tensor, { dtype, dims, data: new Tensor(dtype, dims, slice).array() }];
        }),
      ),
    }));
  } catch (error) {
    const details = { file: name, hint: "delete it: it is made again" };
    throw new DataError("E5002", `${name}: no results of a worker, or cut off`, details, error);
  }
}
