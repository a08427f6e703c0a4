import { createHash } from "node:crypto";
import type { HostTensor, ModelInput, PreprocessOptions, Signature, Tokenize } from "@equant/core/lab";
import type { OpenedDataset } from "@equant/core/node";
import { loadNative } from "../frame/native.js";

/** All that says which samples there are, as JSON: whoever has the files opens the same ones, in this process or in another. */
export interface DataPlan {
  /** An absolute path, or `random`. */
  readonly path: string;
  readonly preprocess: PreprocessOptions;
  readonly input?: ModelInput | undefined;
  readonly signature: Signature;
  /** Inputs that are the same in all samples: a file, or a number, by input. */
  readonly constants: Readonly<Record<string, string>>;
  readonly tokenizer?: string | undefined;
  readonly sampleRate?: number | undefined;
  readonly stride?: number | undefined;
  /** Samples of a file stay apart. */
  readonly apart?: boolean | undefined;
  readonly labels?: string | undefined;
  readonly seed: number;
  readonly samples?: number | undefined;
}

/** Opens the samples of a plan. @throws {DataError} as `openDataset`. */
export async function openPlan(plan: DataPlan): Promise<OpenedDataset> {
  const { path, tokenizer, sampleRate, stride, constants, ...rest } = plan;
  const [{ openDataset, sharpDecoder }, { default: sharp }] = await Promise.all([
    import("@equant/core/node"),
    loadNative("sharp", () => import("sharp")),
  ]);
  const opened = await openDataset(path, {
    ...withoutUndefined(rest),
    constants: await readConstants(plan),
    ...(await tokenizerAt(tokenizer)),
    ...(await soundOptions(plan)),
    decode: sharpDecoder(sharp as never),
  });
  let id: string | undefined;
  const source = {
    get id() {
      id ??= identityOf(plan, opened);
      return id;
    },
    at: (index: number) => index,
  };
  return { ...opened, source };
}

/** What the samples are: how they are opened, and what they are called. */
function identityOf(plan: DataPlan, { length, id }: OpenedDataset): string {
  const hash = createHash("sha256").update(JSON.stringify(plan));
  for (let index = 0; index < length; index++) hash.update(`\n${id(index)}`);
  return hash.digest("hex");
}

async function readConstants({ constants, signature }: DataPlan): Promise<Record<string, HostTensor>> {
  const { readConstantInput } = await import("@equant/core/node");
  const read: Record<string, HostTensor> = {};
  for (const [name, file] of Object.entries(constants)) {
    read[name] = await readConstantInput(file, signature.inputs.find((input) => input.name === name)!);
  }
  return read;
}

/** Tokens of text by the file that a model's tokenizer comes in. */
export async function tokenizerAt(path: string | undefined): Promise<{ tokenize?: Tokenize }> {
  if (path === undefined) return {};
  const [{ tokenizerFrom }, { readText }] = await Promise.all([
    import("./tokenizer.js"),
    import("../files/model-file.js"),
  ]);
  return { tokenize: await tokenizerFrom(await readText(path, { cwd: "/", stdin: process.stdin }), path) };
}

async function soundOptions({ sampleRate, stride }: DataPlan) {
  if (sampleRate === undefined) return stride === undefined ? {} : { stride };
  const { default: resampler } = await import("wave-resampler");
  const resample = (samples: Float32Array, from: number, to: number) =>
    Float32Array.from(resampler.resample(samples, from, to));
  return { sampleRate, resample, ...(stride !== undefined && { stride }) };
}

function withoutUndefined<T extends object>(values: T): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}
