import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { OptionsError } from "@equant/core/errors";
import type { Model, ModelInput, PreprocessingGuess, PreprocessingQuestion, PreprocessOptions } from "@equant/core/lab";
import type { CommandContext } from "../frame/context.js";

/** What the preprocessing is found out from. */
export interface Preprocessing {
  readonly model: Model;
  readonly input: ModelInput | undefined;
  readonly given: PreprocessOptions;
  readonly open: PreprocessingQuestion["open"];
}

/**
 * The preprocessing that a person said, checked against what the network remembers of its training; or, where nothing was said, the one
 * that it remembers.
 * @throws {OptionsError} E2005 nothing was said, and several ways suit the network about alike.
 */
export async function settledPreprocessing(
  context: CommandContext,
  { model, input, given, open }: Preprocessing,
): Promise<PreprocessOptions> {
  const { guessPreprocessing } = await import("@equant/core/lab");
  const isSaid = given.preset !== undefined || given.mean !== undefined || given.std !== undefined;
  const declared = isSaid ? undefined : await declaredBeside(context);
  const question = { input, given, open, declared };
  const guess = await guessPreprocessing(model, question, {
    ...(await context.transformContext()),
    onProgress: undefined,
  });
  if (guess.by === "nothing") {
    if (declared) context.reporter.info(`note      preprocessing of preprocessor_config.json: ${words(declared)}`);
    return { ...declared, ...given };
  }
  if (isSaid) {
    if (guess.isUnlikeTraining)
      context.warn("W5006", "the images are unlike those that the network was trained on, whatever the preprocessing");
    else warnOfBetter(context, guess);
    return given;
  }
  return found(context, guess, given);
}

function warnOfBetter(context: CommandContext, { givenLosesBy, ranking }: PreprocessingGuess): void {
  if (givenLosesBy === undefined) return;
  const [best] = ranking;
  const message = `${words(best!.options)} suits the network better than the preprocessing given: ${times(givenLosesBy)} nearer to what it was trained on`;
  context.warn("W5005", message);
}

/** Takes what was found and says so. */
function found(context: CommandContext, guess: PreprocessingGuess, given: PreprocessOptions): PreprocessOptions {
  const [best, next] = guess.ranking;
  if (guess.verdict === "doubtful") throw doubtful(context, guess);
  if (guess.verdict === "unknown") {
    context.warn("W5007", "the network cannot tell its preprocessing, pixels stay 0–255: say it with --preset");
    return given;
  }
  const order =
    guess.isColorOrderFound || best!.options.colorOrder ? "" : "; the colour order makes no clear difference";
  const margin = next ? `, ${times(guess.margin)} nearer to what the network was trained on than ${next.name}` : "";
  context.reporter.info(`note      preprocessing found: ${words(best!.options)}${margin}${order}`);
  for (const [name, value] of Object.entries(best!.options)) context.settings.set(name, value, "found");
  return { ...best!.options, ...given };
}

function doubtful({ command }: CommandContext, { ranking, isUnlikeTraining }: PreprocessingGuess): OptionsError {
  const listed = ranking.map(({ name, distance }) => `${name} ${distance.toPrecision(2)}`).join(" · ");
  const why = isUnlikeTraining
    ? "the images are unlike those of the training, so the network cannot tell its preprocessing"
    : "several ways of preprocessing suit the network about alike";
  return new OptionsError("E2005", `${command}: ${why} (distances: ${listed})`, {
    expected: ranking.map(({ options }) => words(options)),
    hint: `say which it is, such as ${words(ranking[0]!.options)} or ${words(ranking[1]!.options)}`,
  });
}

/** What a `preprocessor_config.json` says, beside the model or, as on Hugging Face, a folder above it. */
async function declaredBeside(context: CommandContext): Promise<PreprocessOptions | undefined> {
  const path = context.modelPath;
  if (path === undefined || path === "-") return undefined;
  const { PREPROCESSOR_CONFIG, readPreprocessorConfig } = await import("@equant/core/lab");
  const folder = dirname(resolve(context.io.cwd, path));
  for (const place of [folder, dirname(folder)]) {
    const file = join(place, PREPROCESSOR_CONFIG);
    const text = await readFile(file, "utf8").catch(() => undefined);
    if (text !== undefined) return readPreprocessorConfig(text, file);
  }
  return undefined;
}

const times = (ratio: number) => `${ratio < 10 ? ratio.toFixed(1) : Math.round(ratio)} times`;

/** Options as they are typed. */
function words({ preset, mean, std, resize, crop, colorOrder }: PreprocessOptions): string {
  const list = (value: number | readonly number[], separator: string) => [value].flat().join(separator);
  const flags = [
    preset !== undefined && `--preset ${preset}`,
    mean !== undefined && `--mean ${list(mean, ",")}`,
    std !== undefined && `--std ${list(std, ",")}`,
    resize !== undefined && `--resize ${list(resize, "x")}`,
    crop !== undefined && `--crop ${list(crop, "x")}`,
    colorOrder !== undefined && `--color-order ${colorOrder}`,
  ];
  return flags.filter((flag) => flag !== false).join(" ");
}
