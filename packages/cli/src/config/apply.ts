import type { Command } from "commander";
import { parseBytes, parsePp, parseShare } from "../options/values.js";
import type { LoadedConfig } from "./load.js";

/** The config's values under the names of the command's options (`dir` of the data is `--data`, and so on). */
function optionDefaults({ config }: LoadedConfig, name: string, step: string | undefined): Record<string, unknown> {
  // validate reads its own images; everything else that reads images calibrates.
  const source = name === "validate" ? config.data?.validate : config.data?.calibrate;
  const { use: _use, keep: _keep, ...options } = config.steps?.find(({ use }) => use === step) ?? {};
  const { calibrate: _calibrate, validate: _validate, preprocess: images = {}, split, ...input } = config.data ?? {};
  const { mean, std, ...preprocess } = images;
  const { maxDrop, minAccuracy, maxSize } = config.gates ?? {};
  return {
    data: source?.dir,
    labels: source?.labels,
    samples: source?.samples,
    ...input,
    split: split === undefined ? undefined : parseShare("data.split", split),
    threads: config.threads,
    provider: config.provider,
    task: config.task,
    decode: config.decode,
    metric: config.metric,
    out: config.out,
    ...preprocess,
    mean: mean === undefined ? undefined : [mean].flat(),
    std: std === undefined ? undefined : [std].flat(),
    maxDrop: maxDrop === undefined ? undefined : parsePp("gates.maxDrop", maxDrop),
    minAccuracy: minAccuracy === undefined ? undefined : parseShare("gates.minAccuracy", minAccuracy),
    maxSize: maxSize === undefined ? undefined : parseBytes("gates.maxSize", maxSize),
    ...options,
  };
}

/** Makes config values defaults of a parsed command: what was typed as a flag stays. */
export function applyConfig(loaded: LoadedConfig, command: Command, step: string | undefined): void {
  const values = optionDefaults(loaded, command.name(), step);
  for (const option of command.options) {
    const key = option.attributeName();
    if (values[key] === undefined || command.getOptionValueSource(key) === "cli") continue;
    command.setOptionValueWithSource(key, values[key], "config");
  }
}
