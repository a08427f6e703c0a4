import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";

/** Messages inside messages; the decoder recurses, so this bounds its stack. ONNX needs 6 and 3 more for each subgraph. */
const MAX_DEPTH = 100;

/**
 * Memory the decoded document may take: a multiple of the file for numbers that grow, and a constant for the names and
 * types of a large graph. Measured: a node with its attributes takes 1 kB decoded, a shape 0.3 kB, an int64 32 bytes;
 * the largest published graphs stay below 100 MB.
 */
const MEMORY_PER_BYTE = 12;
const MEMORY_CONSTANT = 400e6;
const MESSAGE_COST = 300;
const FIELD_COST = 32;

type Kind = "message" | "string" | "text" | "bytes" | "varint" | "varint64" | "fixed32" | "fixed64";

interface WireField {
  readonly name: string;
  readonly kind: Kind;
  readonly list: boolean;
  readonly message: DescMessage | undefined;
}

const WIRE_TYPES: Record<Kind, number> = {
  message: 2,
  string: 2,
  text: 2,
  bytes: 2,
  varint: 0,
  varint64: 0,
  fixed32: 5,
  fixed64: 1,
};

const tables = new WeakMap<DescMessage, Map<number, WireField>>();

function tableOf(schema: DescMessage): Map<number, WireField> {
  let table = tables.get(schema);
  if (!table) {
    table = new Map(schema.fields.map((field) => [field.number, describe(field)]));
    tables.set(schema, table);
  }
  return table;
}

function describe(field: DescField): WireField {
  const list = field.fieldKind === "list";
  const message = field.fieldKind === "message" || (list && field.listKind === "message") ? field.message : undefined;
  const common = { name: field.name, list, message };
  if (message) return { ...common, kind: "message" };
  // Doc strings are for people: a stray byte in one is no reason to refuse the model.
  if (field.scalar === ScalarType.STRING) return { ...common, kind: field.name === "doc_string" ? "text" : "string" };
  return { ...common, kind: kindOfScalar(field.scalar) };
}

function kindOfScalar(scalar: ScalarType | undefined): Kind {
  switch (scalar) {
    case ScalarType.BYTES:
      return "bytes";
    case ScalarType.FLOAT:
      return "fixed32";
    case ScalarType.DOUBLE:
      return "fixed64";
    case ScalarType.INT64:
    case ScalarType.UINT64:
      return "varint64";
    default:
      return "varint";
  }
}

/**
 * Walks the encoding of a message before it is decoded, and throws an Error that says what is wrong with it. The decoder
 * trusts more than a damaged file deserves: it reads a nested message past the end of the one around it, ignores that a
 * field has the wrong wire type, replaces invalid text, and allocates whatever the file asks for.
 */
export function checkWire(bytes: Uint8Array, schema: DescMessage): void {
  new Walker(bytes).walk(schema);
}

class Walker {
  readonly #bytes: Uint8Array;
  #at = 0;
  #memory = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  walk(schema: DescMessage): void {
    const stack = [{ table: tableOf(schema), end: this.#bytes.length }];
    while (stack.length > 0) {
      const frame = stack[stack.length - 1]!;
      if (this.#at === frame.end) {
        stack.pop();
        continue;
      }
      const tag = this.#varint(frame.end);
      const wireType = tag & 7;
      const number = Math.floor(tag / 8);
      if (number === 0 || number > 0x1fffffff) throw new Error(`invalid field number at byte ${this.#at}`);
      const field = frame.table.get(number);
      const nested = this.#field(field, wireType, frame.end);
      if (nested === undefined) continue;
      if (stack.length >= MAX_DEPTH) throw new Error(`nested more than ${MAX_DEPTH} levels deep`);
      stack.push({ table: tableOf(field!.message!), end: nested });
    }
  }

  /** Skips one field, or returns the end of the nested message to enter. */
  #field(field: WireField | undefined, wireType: number, end: number): number | undefined {
    this.#spend(FIELD_COST);
    if (field && wireType !== WIRE_TYPES[field.kind] && !(field.list && wireType === 2)) {
      throw new Error(`field ${field.name} has the wrong encoding at byte ${this.#at}`);
    }
    switch (wireType) {
      case 0:
        this.#varint(end);
        return undefined;
      case 1:
        this.#skip(8, end);
        return undefined;
      case 5:
        this.#skip(4, end);
        return undefined;
      case 2: {
        const length = this.#varint(end);
        const start = this.#at;
        this.#skip(length, end);
        if (!field) this.#spend(MESSAGE_COST / 2);
        else if (field.kind === "message") {
          this.#spend(MESSAGE_COST);
          this.#at = start;
          return start + length;
        } else this.#content(field, start);
        return undefined;
      }
      default:
        throw new Error(`invalid wire type ${wireType} at byte ${this.#at}`);
    }
  }

  /** Checks the bytes from `start` to the current place: text, or the numbers of a packed list. */
  #content(field: WireField, start: number): void {
    const end = this.#at;
    switch (field.kind) {
      case "string":
        this.#spend(end - start);
        if (!isUtf8(this.#bytes.subarray(start, end)))
          throw new Error(`${field.name} at byte ${start} is not valid UTF-8`);
        return;
      case "text":
        this.#spend(end - start);
        return;
      case "fixed32":
      case "fixed64":
        if ((end - start) % (field.kind === "fixed32" ? 4 : 8) !== 0)
          throw new Error(`${field.name} at byte ${start} is cut`);
        return;
      case "varint":
      case "varint64": {
        let count = 0;
        for (let at = start; at < end; at++) if (this.#bytes[at]! < 0x80) count++;
        if (end > start && this.#bytes[end - 1]! >= 0x80) throw new Error(`${field.name} at byte ${start} is cut`);
        this.#spend(count * (field.kind === "varint64" ? 32 : 8));
      }
    }
  }

  #varint(end: number): number {
    let value = 0;
    let factor = 1;
    for (let count = 0; count < 10; count++) {
      if (this.#at >= end) throw new Error(`the data ends inside a number at byte ${this.#at}`);
      const byte = this.#bytes[this.#at++]!;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
    throw new Error(`invalid number at byte ${this.#at}`);
  }

  #skip(length: number, end: number): void {
    if (length > end - this.#at) {
      throw new Error(`a part of ${length} bytes at byte ${this.#at} ends behind the part it lies in`);
    }
    this.#at += length;
  }

  #spend(bytes: number): void {
    this.#memory += bytes;
    if (this.#memory > MEMORY_CONSTANT + MEMORY_PER_BYTE * this.#bytes.length) {
      throw new Error("it would take far more memory than its size");
    }
  }
}

const strict = new TextDecoder("utf-8", { fatal: true });

function isUtf8(bytes: Uint8Array): boolean {
  if (bytes.every((byte) => byte < 0x80)) return true;
  try {
    strict.decode(bytes);
    return true;
  } catch {
    return false;
  }
}
