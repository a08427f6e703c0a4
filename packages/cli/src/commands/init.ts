import { dirname, relative, resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import { OptionsError, RunError } from "@equant/core/errors";
import type { ConfigInput } from "../config/schema.js";
import type { CommandDefinition, CommandOutcome } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";
import { toJson } from "../frame/envelope.js";
import {
  addDataOptions,
  addOutputOptions,
  type DataOptions,
  type OutputOptions,
  PRESETS,
} from "../options/option-groups.js";
import { flag } from "../options/options.js";
import { shellWord } from "../text/visible.js";

interface InitOptions extends DataOptions, OutputOptions {
  output: string;
  yes?: boolean;
}

/** `equant init`: writes a config that `equant run` executes. Asks on a terminal, takes flags and defaults elsewhere. */
export const init: CommandDefinition = {
  echoSettings: false,
  configure(command) {
    command
      .description("Writes equant.config.json from the flags; on a terminal asks for what is missing.")
      .argument("[model]", "the ONNX file")
      .addOption(flag("--yes", "ask nothing"));
    addDataOptions(command, { samples: 100 });
    addOutputOptions(command, { file: "where the config is written" });
    command.setOptionValueWithSource("output", "equant.config.json", "default");
  },
  async run(context: CommandContext, model: string | undefined): Promise<CommandOutcome> {
    const options = context.options<InitOptions>();
    if (options.output !== "-" && !options.output.endsWith(".json")) {
      const hint = "for a .mjs or .ts config start from the JSON one";
      throw new OptionsError("E2002", `-o: '${options.output}' does not end in .json`, {
        actual: options.output,
        hint,
      });
    }
    await context.checkOutput(options.output);
    const answers = await ask({ model, data: options.data, preset: options.preset }, context, options.yes === true);
    const config = buildConfig({ ...options, ...answers }, context);
    const text = toJson(config);
    await context.writeOutput(options.output, text);
    const said = options.output === "-" ? "" : `${options.output} written\n`;
    return {
      result: { path: options.output, config },
      text: context.options().dryRun ? text : said,
      hint: config.data?.calibrate
        ? `equant run -c ${shellWord(options.output)}`
        : `add data.calibrate.dir to ${shellWord(options.output)}`,
    };
  },
};

interface Answers {
  model?: string | undefined;
  data?: string | undefined;
  preset?: string | undefined;
}

/** Asks for what no flag said; an empty answer leaves it out. */
async function ask(known: Answers, { io }: CommandContext, never: boolean): Promise<Answers> {
  if (never || !io.stdin.isTTY || !io.stderr.isTTY) return known;
  const terminal = createInterface({
    input: io.stdin as unknown as NodeJS.ReadableStream,
    output: io.stderr as unknown as NodeJS.WritableStream,
  });
  // Ctrl+C and Ctrl+D at a question reach the terminal interface, not the process.
  const stopped = new Promise<never>((_resolve, reject) => {
    const stop = () => reject(new RunError("E6005", "init: stopped, nothing was written"));
    terminal.once("SIGINT", stop).once("close", stop);
  });
  stopped.catch(() => undefined);
  const question = async (text: string) =>
    (await Promise.race([terminal.question(`${text}: `), stopped])).trim() || undefined;
  try {
    return {
      model: known.model ?? (await question("ONNX file")),
      data: known.data ?? (await question("folder with 100 or more images for calibration")),
      preset: known.preset ?? (await question(`preprocessing (${PRESETS.join(", ")})`)),
    };
  } finally {
    terminal.close();
  }
}

function buildConfig(options: Omit<InitOptions, "preset"> & Answers, context: CommandContext): ConfigInput {
  const folder = dirname(resolve(context.io.cwd, options.output === "-" ? "config" : options.output));
  // Paths in a config are relative to the config.
  const path = (given: string) => relative(folder, resolve(context.io.cwd, given)).replaceAll("\\", "/") || ".";
  const { preset, mean, std, resize, crop, layout, colorOrder, samples, labels } = options;
  const dir = options.data === "random" ? "random" : options.data && path(options.data);
  return {
    $schema: "./node_modules/@equant/cli/schema/config-1.json",
    model: path(options.model ?? "model.onnx"),
    data: {
      ...(dir !== undefined && {
        calibrate: {
          dir,
          ...(samples && { samples }),
          ...(labels && { labels: /^(auto|folders|none)$/.test(labels) ? labels : path(labels) }),
        },
      }),
      preprocess: {
        preset: preset !== undefined && /[./\\]/.test(preset) ? path(preset) : (preset ?? "imagenet"),
        ...(mean && { mean }),
        ...(std && { std }),
        ...(resize && { resize }),
        ...(crop && { crop }),
        ...(layout && { layout }),
        ...(colorOrder && { colorOrder }),
      },
      seed: context.options().seed,
    },
    steps: [
      { use: "fold" },
      { use: "dead-channels" },
      { use: "equalize" },
      { use: "quantize", weights: "int8", activations: "uint8" },
      { use: "bias-correct" },
    ],
    gates: { maxDrop: "1pp" },
    out: "dist/",
  };
}
