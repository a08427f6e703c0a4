import { OptionsError } from "@equant/core/errors";
import type { Tokenize } from "@equant/core/lab";

/** Tokens of text by what a `tokenizer.json` says. @throws {OptionsError} E2007 it is no tokenizer, at once or at the first text. */
export async function tokenizerFrom(text: string, file: string): Promise<Tokenize> {
  const { Tokenizer } = await import("@huggingface/tokenizers");
  const tokenizer = orUnreadable(file, () => new Tokenizer(JSON.parse(text), {}));
  return (line) =>
    orUnreadable(file, () => {
      const encoded = tokenizer.encode(line);
      const wrong = encoded.ids.find((id: unknown) => !Number.isInteger(id));
      if (wrong !== undefined) throw new TypeError(`${String(wrong)} is no token`);
      return encoded;
    });
}

function orUnreadable<T>(file: string, use: () => T): T {
  try {
    return use();
  } catch (error) {
    throw new OptionsError(
      "E2007",
      `--tokenizer ${file}: cannot be read as a tokenizer`,
      { file, hint: "give the tokenizer.json that was saved with the model" },
      error,
    );
  }
}
