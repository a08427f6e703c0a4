import type { RecipeStep } from "@equant/core";
import { PROVIDER_CHOICES } from "@equant/core/steps";
import { z } from "zod";
import { IMAGE_OPTIONS, INPUT_OPTIONS } from "../options/input-options.js";
import { TASK_NAMES } from "../options/option-groups.js";
import { parseBytes, parsePp, parseShare } from "../options/values.js";
import { keysOf } from "./option-schema.js";

/** Text with a unit, checked by the same parser as the flag; the value stays as written, so a lock file can repeat it. */
function unit(parse: (name: string, value: unknown) => number, example: string) {
  return z
    .string()
    .check((context) => {
      try {
        parse("value", context.value);
      } catch (error) {
        const { message, hint } = error as Error & { hint?: string };
        const text = message.replace(/^value: /, "") + (hint === undefined ? "" : `; ${hint}`);
        context.issues.push({ code: "custom", message: text, input: context.value });
      }
    })
    .describe(`for example ${example}`);
}

const pixels = z.int().min(1);
const perChannel = z.union([z.number(), z.array(z.number()).min(1)]);

const source = z.strictObject({
  dir: z.string().describe("folder, zip, npy, npz, idx or csv; or the word random"),
  labels: z.string().describe("auto, folders, none, or a csv or npy file").optional(),
  samples: z.int().min(1).optional(),
});

const preprocess = z.strictObject({
  preset: z.string().describe("imagenet, tf, zero-one, raw, or a JSON file").optional(),
  mean: perChannel.describe("subtracted, in pixel units 0-255").optional(),
  std: perChannel.describe("divided by, in pixel units 0-255").optional(),
  resize: z
    .union([pixels, z.tuple([pixels, pixels])])
    .describe("shorter side, or [height, width]")
    .optional(),
  crop: z.union([pixels, z.tuple([pixels, pixels])]).optional(),
  ...keysOf(IMAGE_OPTIONS),
});

const gates = z.strictObject({
  maxDrop: unit(parsePp, "1pp").optional(),
  minAccuracy: unit(parseShare, "83%").optional(),
  maxSize: unit(parseBytes, "4MB").optional(),
});

/** Everything but the steps, which core checks itself. */
export const shell = z.strictObject({
  $schema: z.string().optional(),
  model: z.string().describe("the ONNX file").optional(),
  data: z
    .strictObject({
      calibrate: source.optional(),
      validate: source.optional(),
      preprocess: preprocess.optional(),
      batch: z.int().min(1).optional(),
      seed: z.int().min(0).optional(),
      split: unit(parseShare, "50%").optional(),
      ...keysOf(INPUT_OPTIONS),
    })
    .optional(),
  steps: z.array(z.looseObject({ use: z.string() })).optional(),
  task: z.enum(TASK_NAMES).describe("what the model is for: figures and gates are in its measure").optional(),
  decode: z.string().describe("how outputs are read: a JSON file or a module").optional(),
  metric: z.string().describe("a module with a figure of your own").optional(),
  gates: gates.optional(),
  threads: z.int().min(1).optional(),
  provider: z.enum(PROVIDER_CHOICES).optional(),
  out: z.string().describe("output folder").optional(),
});

export type Config = Omit<z.infer<typeof shell>, "steps"> & { steps?: RecipeStep[] };
/** What a person writes; the argument of `defineConfig`. */
export type ConfigInput = Config;
