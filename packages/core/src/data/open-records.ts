import { OptionsError } from "../errors.js";
import type { Signature } from "../graph/index.js";
import type { Classified } from "./classify.js";
import { concatDatasets } from "./concat.js";
import { baseName, type DataFile, extensionOf } from "./data-file.js";
import type { Dataset } from "./dataset.js";
import { fileError } from "./errors.js";
import { openJsonLines } from "./json-lines.js";
import { openNamedArrays } from "./named-arrays.js";
import type { OpenedPart, OpenOptions } from "./open-types.js";
import { type RecordSource, recordDataset } from "./record-dataset.js";
import { openTextLines } from "./text-lines.js";
import { openWaves } from "./wave-file.js";

/** What records are read from: never images, which lie beside them. */
type Items = readonly Classified[];

/**
 * Opens what only records can hold: JSON lines, text, sound, arrays by input name. Undefined where the files are none of these.
 * @throws {DataError} E5001 an input that nothing gives; E5002 damaged; E5003 sizes that do not fit.
 */
export async function openRecords(items: Items, options: OpenOptions, name: string): Promise<OpenedPart | undefined> {
  const { signature } = options;
  if (!signature) return undefined;
  const found = await sourcesOf(items, signature, options, name);
  if (!found) return undefined;
  const parts: Dataset[] = [];
  for (const source of found.sources) parts.push(await recordDataset(source, signature, options.constants));
  const dataset = parts.length === 1 ? parts[0]! : concatDatasets(parts);
  return { dataset, format: found.format, preprocessed: false, notes: [] };
}

async function sourcesOf(
  items: Items,
  signature: Signature,
  options: OpenOptions,
  name: string,
): Promise<{ sources: RecordSource[]; format: string } | undefined> {
  const of = (kind: Classified["kind"]) => items.filter((item) => item.kind === kind);
  const waves = of("wave").map(({ file }) => file);
  if (waves.length > 0) return { sources: [await openWaves(waves, signature, options)], format: "WAV" };
  const texts = of("text").map(({ file }) => file);
  const lines = texts.filter((file) => ["jsonl", "ndjson"].includes(extensionOf(file.path)));
  if (lines.length > 0) {
    return { sources: await Promise.all(lines.map((file) => openJsonLines(file, signature))), format: "JSON lines" };
  }
  const plain = texts.filter((file) => ["txt", "text"].includes(extensionOf(file.path)));
  if (plain.length > 0 && options.tokenize) {
    const { tokenize } = options;
    return {
      sources: await Promise.all(plain.map((file) => openTextLines(file, signature, tokenize))),
      format: "text",
    };
  }
  if (plain.length > 0 && of("image").length === 0) {
    throw new OptionsError("E2005", `data: "${plain[0]!.path}" is text, no tokenizer was given`, {
      file: plain[0]!.path,
      hint: "give the tokenizer.json of the model: --tokenizer FILE; or tokens as JSON lines",
    });
  }
  const preprocess = options.preprocess ?? {};
  const archives = items.filter((item) => item.kind === "npz");
  if (archives.length > 0) {
    const sources = [];
    for (const { file, entries } of archives as readonly { file: DataFile; entries: readonly DataFile[] }[])
      sources.push(await openNamedArrays(file.path, entries, signature, preprocess));
    return { sources, format: "NPZ" };
  }
  const arrays = of("npy").map(({ file }) => file);
  if (arrays.length === 0) return undefined;
  const names = new Set(signature.inputs.map((input) => input.name));
  const named = arrays.filter((file) => names.has(baseName(file.path).replace(/\.npy$/i, "")));
  if (named.length === 0 && arrays.length > 1) {
    throw fileError(
      "E5001",
      name,
      `holds arrays (${arrays
        .slice(0, 4)
        .map(({ path }) => baseName(path))
        .join(", ")}), none called as an input`,
      `Name them ${[...names].map((input) => `${input}.npy`).join(", ")}.`,
      {
        expected: [...names],
      },
    );
  }
  const source = await openNamedArrays(name, named.length > 0 ? named : arrays, signature, preprocess);
  return { sources: [source], format: "NPY" };
}
