import type { HostTensor, Signature, SignatureInput } from "../graph/index.js";
import type { DataFile } from "./data-file.js";
import { fileError } from "./errors.js";
import type { RecordSource } from "./record-dataset.js";
import { fitted, tensorOf } from "./record-input.js";
import { filledLines, readText } from "./text.js";

/** Numbers of one nested list, at most: what would not fit into memory is no sample. */
const MAX_NUMBERS = 2 ** 26;
/** Nested lists are no deeper than tensors are. */
const MAX_DEPTH = 16;

/** JSON lines: one object a line, keys are input names, values numbers or nested lists of one depth; `label` is the class. */
export async function openJsonLines(file: DataFile, { inputs }: Signature): Promise<RecordSource> {
  const lines = filledLines(await readText(file));
  if (lines.length === 0) throw fileError("E5001", file.path, "holds no lines", "Write one JSON object a line.");
  const named = new Map(inputs.map((input) => [input.name, input]));
  const objectOf = (index: number) => parsed(file.path, lines.line(index), lines.number(index));
  const first = objectOf(0);
  const names = new Set(Object.keys(first).filter((name) => named.has(name)));
  if (names.size === 0) {
    throw fileError(
      "E5001",
      file.path,
      `has the keys ${Object.keys(first).join(", ") || "none"}, the model takes ${[...named.keys()].join(", ")}`,
      "Name the keys as the model's inputs.",
      {
        expected: [...named.keys()],
        actual: Object.keys(first),
      },
    );
  }
  const labelled = typeof first.label === "number" && !named.has("label");
  return {
    length: lines.length,
    names,
    sequence: () => file.path,
    id: (index) => `${file.path}:${lines.number(index)}`,
    read(index) {
      const object = objectOf(index);
      const where = `${file.path}:${lines.number(index)}`;
      const tensors: [string, HostTensor][] = [...names].map((name) => [
        name,
        tensorIn(named.get(name)!, object[name], where),
      ]);
      return Object.fromEntries(tensors);
    },
    ...(labelled && {
      label(index: number) {
        const { label } = objectOf(index);
        if (Number.isInteger(label) && (label as number) >= 0) return label as number;
        throw fileError(
          "E5004",
          file.path,
          `line ${lines.number(index)} has no label`,
          "Give every line a label, or none.",
        );
      },
    }),
  };
}

function parsed(path: string, line: string, at: number): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    throw fileError("E5002", path, `line ${at} is no JSON`, "Write one JSON object a line.", { line: at }, error);
  }
  throw fileError("E5002", path, `line ${at} is no object`, "Write one JSON object a line.", { line: at });
}

function tensorIn(input: SignatureInput, value: unknown, where: string): HostTensor {
  const shape: number[] = [];
  for (let inner = value; Array.isArray(inner) && shape.length < MAX_DEPTH; inner = inner[0]) shape.push(inner.length);
  const total = shape.reduce((product, size) => product * size, 1);
  const bad = (problem: string) =>
    fileError("E5002", where, `${problem} in "${input.name}"`, "Give numbers in nested lists of equal lengths.", {
      tensor: input.name,
    });
  if (total > MAX_NUMBERS) throw bad("too many numbers");
  const values: number[] = [];
  const walk = (list: unknown, depth: number): void => {
    if (depth === shape.length) {
      if (typeof list === "number" || typeof list === "boolean") values.push(Number(list));
      else throw bad("something that is no number");
      return;
    }
    if (!Array.isArray(list) || list.length !== shape[depth]) throw bad("lists of unequal lengths");
    for (const item of list) walk(item, depth + 1);
  };
  walk(value, 0);
  return tensorOf(input, fitted(input, shape, where), values, where);
}
