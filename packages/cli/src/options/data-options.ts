import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Model, ModelInput, PreprocessOptions } from "@equant/core";
import { DataError, ModelError, OptionsError } from "@equant/core/errors";
import type { OpenedDataset } from "@equant/core/node";
import type { CommandContext } from "../frame/context.js";
import { type DataOptions, PRESETS } from "./option-groups.js";

/**
 * Shape of a sample. Height and width that the model leaves open are those that preprocessing ends with, `--crop` or else
 * `--resize`; without either they are refused: images need to know what to be resized to.
 */
export async function modelInput(
  model: Model,
  layout: "NCHW" | "NHWC" | undefined,
  { crop, resize }: PreprocessOptions = {},
): Promise<ModelInput> {
  const { assertFloat32Input, requiredInputs } = await import("@equant/core");
  const inputs = requiredInputs(model.graph);
  if (inputs.length !== 1) {
    throw new ModelError(
      "E4001",
      `model: ${inputs.length} inputs (${inputs.map(({ name }) => name).join(", ")}), expected one`,
      {
        hint: "models with several inputs cannot be fed with images yet",
      },
    );
  }
  assertFloat32Input(model);
  const [{ name, shape } = { name: "", shape: undefined }] = inputs;
  const dims = withSize(shape?.slice(1) ?? [], layout, crop ?? resize);
  if (!shape || shape.length < 2 || dims.some((dim) => typeof dim !== "number" || dim < 1)) {
    const written = shape ? `[${shape.map((dim) => dim ?? "?").join(", ")}]` : "unknown";
    throw new ModelError(
      "E3003",
      `model: input "${name}" has shape ${written}, the sizes after the batch must be numbers`,
      {
        tensor: name,
        actual: written,
        hint: "say height and width with --resize HxW, or export the model with a fixed input size",
      },
    );
  }
  return { shape: dims as number[], ...(layout && { layout }) };
}

type Dims = readonly (number | string | undefined)[];

/** Puts height and width where an image input leaves both open. */
function withSize(dims: Dims, layout: "NCHW" | "NHWC" | undefined, size: PreprocessOptions["crop"]): Dims {
  const [height, width] = typeof size === "number" ? [size, size] : (size ?? []);
  const at = layout === "NHWC" ? 0 : 1;
  const open = (dim: number | string | undefined) => typeof dim !== "number" || dim < 1;
  if (height === undefined || dims.length !== 3 || !open(dims[at]) || !open(dims[at + 1])) return dims;
  return dims.map((dim, axis) => (axis === at ? height : axis === at + 1 ? width : dim));
}

/** Reads the samples that the data options name, ready for the model's input. @throws {DataError} E5001 without --data. */
export async function openData(
  context: CommandContext,
  model: Model,
  options: DataOptions,
  samples: number | undefined = options.samples,
): Promise<OpenedDataset> {
  if (options.data === undefined) {
    throw new DataError("E5001", `${context.command}: no data given`, {
      hint: "give images with --data DIR; random numbers only when typed: --data random",
    });
  }
  const [{ openDataset, sharpDecoder }, { default: sharp }] = await Promise.all([
    import("@equant/core/node"),
    import("sharp"),
  ]);
  const path = options.data === "random" ? "random" : resolve(context.io.cwd, options.data);
  const preprocess = await preprocessOptions(context, options);
  const labels = options.labels;
  const input = await modelInput(model, options.layout, preprocess);
  const perSample = input.shape.reduce((product, size) => product * size, 4);
  context.requireMemory(
    `a batch of ${options.batch ?? 1}`,
    perSample * (options.batch ?? 1),
    "check the sizes of the model's input",
  );
  const dataset = await openDataset(path, {
    input,
    preprocess,
    decode: sharpDecoder(sharp as never),
    seed: context.options().seed,
    ...(samples !== undefined && { samples }),
    ...(labels !== undefined && {
      labels: ["auto", "folders", "none"].includes(labels) ? labels : resolve(context.io.cwd, labels),
    }),
  });
  if (dataset.random) context.warn("W5001", "random data: results say nothing about real images");
  for (const note of dataset.notes) context.reporter.info(`note      ${note}`);
  return dataset;
}

async function preprocessOptions(context: CommandContext, options: DataOptions): Promise<PreprocessOptions> {
  const { preset, mean, std, resize, crop, colorOrder } = options;
  const single = (values: number[]) => (values.length === 1 ? values[0]! : values);
  const given: PreprocessOptions = {
    ...(mean && { mean: single(mean) }),
    ...(std && { std: single(std) }),
    ...(resize !== undefined && { resize }),
    ...(crop !== undefined && { crop }),
    ...(colorOrder && { colorOrder }),
  };
  if (preset === undefined) return given;
  const known = PRESETS.find((name) => name === preset);
  return known
    ? { preset: known, ...given }
    : { ...(await presetFile(resolve(context.io.cwd, preset), preset)), ...given };
}

/** A preset of one's own: JSON with the keys of the preprocessing options. */
async function presetFile(path: string, name: string): Promise<PreprocessOptions> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as PreprocessOptions;
  } catch (error) {
    throw new OptionsError(
      "E2007",
      `--preset ${name}: cannot be read as JSON`,
      {
        file: name,
        hint: 'write for example {"mean": [123.7, 116.3, 103.5], "std": 58, "resize": 256, "crop": 224}',
      },
      error,
    );
  }
}
