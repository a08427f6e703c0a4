import type { HostTensor, Signature } from "../graph/index.js";
import type { DataFile } from "./data-file.js";
import { fileError } from "./errors.js";
import type { RecordSource } from "./record-dataset.js";
import { fitted, tensorOf } from "./record-input.js";
import { filledLines, readText } from "./text.js";

/** What a tokenizer makes of a text; `@huggingface/tokenizers` gives this. */
export interface EncodedText {
  readonly ids: readonly number[];
  readonly attention_mask?: readonly number[];
  readonly token_type_ids?: readonly number[];
}

/** Makes numbers of text; injected, so that core depends on no tokenizer. */
export type Tokenize = (text: string) => EncodedText;

/** Which input a part of the encoding feeds, by its name. */
const PARTS: readonly (readonly [keyof EncodedText, RegExp])[] = [
  ["attention_mask", /mask/i],
  ["token_type_ids", /token_type|segment/i],
  ["ids", /ids?$|tokens?$|input/i],
];

/** Tokens beyond this are cut off where the model leaves the length open. */
const MAX_TOKENS = 512;

/** Text, one sample a line, as tokens. A fixed length is filled up with zeros, which the mask leaves out. */
export async function openTextLines(file: DataFile, { inputs }: Signature, tokenize: Tokenize): Promise<RecordSource> {
  const lines = filledLines(await readText(file));
  if (lines.length === 0) throw fileError("E5001", file.path, "holds no lines", "Write one text a line.");
  const fed = inputs.flatMap((input) => {
    const part = PARTS.find(([, name]) => name.test(input.name))?.[0];
    return part && input.role === "data" && !/position/i.test(input.name) ? [{ input, part }] : [];
  });
  if (!fed.some(({ part }) => part === "ids")) {
    throw fileError(
      "E5003",
      file.path,
      "is text, and no input of the model takes tokens",
      "Give .npz, .npy or JSON lines for this model.",
      {
        expected: inputs.map(({ name }) => name),
      },
    );
  }
  return {
    length: lines.length,
    names: new Set(fed.map(({ input }) => input.name)),
    // Every text begins anew.
    sequence: String,
    id: (index) => `${file.path}:${lines.number(index)}`,
    read(index) {
      const where = `${file.path}:${lines.number(index)}`;
      const encoded = tokenize(lines.line(index));
      const tensors = fed.map(({ input, part }): [string, HostTensor] => {
        const last = input.dims?.at(-1);
        const length = typeof last === "number" && last > 1 ? last : Math.min(encoded.ids.length, MAX_TOKENS);
        const own = encoded[part] ?? encoded.ids.map(() => (part === "attention_mask" ? 1 : 0));
        const values = Array.from({ length }, (_, position) => own[position] ?? 0);
        return [input.name, tensorOf(input, fitted(input, [length], where), values, where)];
      });
      return Object.fromEntries(tensors);
    },
  };
}
