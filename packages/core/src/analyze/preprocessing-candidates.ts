import { type ColorOrder, channelScaling, PRESETS, type PreprocessOptions } from "../data/index.js";
import type { Scaling } from "./stored-statistics.js";

/** A scaling in one colour order. */
export interface Candidate {
  /** Of the scaling, and the order where it is not red, green, blue: `imagenet, BGR`. */
  readonly name: string;
  readonly scaling: string;
  readonly options: PreprocessOptions;
  readonly applied: Scaling;
}

/** What is compared, and by which names what was given and what a file declares go among it. */
export interface Candidates {
  readonly all: readonly Candidate[];
  readonly given: Candidate | undefined;
  readonly declared: string | undefined;
}

/** Scalings in use that no preset names. */
const OTHERS: Readonly<Record<number, Readonly<Record<string, PreprocessOptions>>>> = {
  1: { "MNIST's statistics": { mean: 33.3185, std: 78.5675 } },
  3: { "mean only": { mean: [123.68, 116.779, 103.939], std: 1 } },
};

/** Whether options say how pixels are scaled. */
export const isScaled = ({ preset, mean, std }: PreprocessOptions) =>
  preset !== undefined || mean !== undefined || std !== undefined;

/** Presets, scalings in use without one, what was given and what is declared, each in both orders of colours unless one is settled. */
export function candidatesOf(
  channels: number,
  given: PreprocessOptions,
  declared: PreprocessOptions | undefined,
): Candidates {
  const scalings = new Map<string, PreprocessOptions>(Object.entries(OTHERS[channels] ?? {}));
  for (const preset of Object.keys(PRESETS) as (keyof typeof PRESETS)[])
    if (channels === 3 || PRESETS[preset].mean.length === 1) scalings.set(preset, { preset });
  const numbers = (options: PreprocessOptions) => JSON.stringify(channelScaling(options, channels));
  const add = (name: string, { preset, mean, std }: PreprocessOptions) => {
    const options = {
      ...(preset !== undefined && { preset }),
      ...(mean !== undefined && { mean }),
      ...(std !== undefined && { std }),
    };
    const known = [...scalings].find(([, other]) => numbers(other) === numbers(options));
    if (known) return known[0];
    scalings.set(name, options);
    return name;
  };
  const order: ColorOrder | undefined = channels === 1 ? "gray" : given.colorOrder;
  const orders: readonly ColorOrder[] = order ? [order] : ["RGB", "BGR"];
  // Numbers that were typed for channels back to front are known by those the other way round.
  const asGiven = isScaled(given) ? add("as given", order === "BGR" ? turned(given) : given) : undefined;
  const asDeclared = declared && add("preprocessor_config.json", declared);
  const all = [...scalings].flatMap(([scaling, options]) =>
    orders.map((colorOrder) => candidateOf(scaling, options, colorOrder, channels, order !== undefined)),
  );
  return { all, given: all.find(({ scaling }) => scaling === asGiven), declared: asDeclared };
}

function candidateOf(
  scaling: string,
  options: PreprocessOptions,
  colorOrder: ColorOrder,
  channels: number,
  isSettled: boolean,
): Candidate {
  const reversed = colorOrder === "BGR";
  const own: PreprocessOptions = {
    ...(reversed ? turned(options) : options),
    ...((reversed || isSettled) && channels > 1 && { colorOrder }),
  };
  return {
    name: reversed ? `${scaling}, BGR` : scaling,
    scaling,
    options: own,
    applied: { ...channelScaling({ ...own, colorOrder }, channels), reversed },
  };
}

/** Numbers follow the network's channels; presets turn round by themselves. */
function turned(options: PreprocessOptions): PreprocessOptions {
  const back = (values: PreprocessOptions["mean"]) =>
    Array.isArray(values) ? ([...values].reverse() as readonly number[]) : values;
  const { mean, std } = options;
  return {
    ...options,
    ...(mean !== undefined && { mean: back(mean)! }),
    ...(std !== undefined && { std: back(std)! }),
  };
}
