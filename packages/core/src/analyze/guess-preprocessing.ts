import {
  type Dataset,
  type ImageTarget,
  imageTarget,
  keepSamples,
  type ModelInput,
  type PreprocessOptions,
  plainInput,
  spread,
} from "../data/index.js";
import { DataError } from "../errors.js";
import { cloneModel, type Model, signatureOf, sizeOf } from "../graph/index.js";
import { bootstrapDifference } from "../metrics/index.js";
import { toFloat32 } from "../operators/index.js";
import type { TransformContext } from "../runtime/index.js";
import { answerLack } from "./answer-lack.js";
import { type Candidate, candidatesOf } from "./preprocessing-candidates.js";
import { logDistance, normalizationStatistics, scaledInside } from "./stored-statistics.js";

/** A way to make samples of images, and how well it suits the network. */
export interface PreprocessingCandidate {
  /** A preset's name, or where the numbers come from; the colour order where it is not red, green, blue: `imagenet, BGR`. */
  readonly name: string;
  /** What to open the data with. */
  readonly options: PreprocessOptions;
  /**
   * By statistics: how far the images are from what the network stored in training, a divergence in nats. By answers: the information
   * that they lack, in nats. Smaller is better.
   */
  readonly distance: number;
}

/** Result of {@link guessPreprocessing}. */
export interface PreprocessingGuess {
  /** What told the candidates apart: stored statistics, confidence and variety of the answers, or nothing there is. */
  readonly by: "statistics" | "answers" | "nothing";
  /** `found`: the first of the ranking suits clearly best; `doubtful`: another comes near, or the images are unlike those of the training; `unknown`: the network cannot tell. */
  readonly verdict: "found" | "doubtful" | "unknown";
  /** Best first, of each scaling the better colour order; empty where nothing tells. */
  readonly ranking: readonly PreprocessingCandidate[];
  /** How many times farther off the next scaling is. */
  readonly margin: number;
  /** False where both colour orders suit the network about alike: the ranking then begins with red, green, blue. */
  readonly isColorOrderFound: boolean;
  /** How many times farther off than the best the scaling that was given is, where it is clearly worse. */
  readonly givenLosesBy?: number;
  /** Even the best is far off: the images are not like those of the training. */
  readonly isUnlikeTraining: boolean;
  /** Why nothing tells, one sentence. */
  readonly reason?: string;
}

/** What {@link guessPreprocessing} looks at. */
export interface PreprocessingQuestion {
  /** Opens the images with options of preprocessing: `(preprocess) => openDataset(path, { preprocess, … })`. */
  readonly open: (preprocess: PreprocessOptions) => Promise<Dataset & { readonly preprocessed?: boolean }>;
  /** What is settled: size and colour order are kept, a scaling is compared with the others. Default: nothing. */
  readonly given?: PreprocessOptions | undefined;
  /** What a file beside the model says, taken unless it is clearly worse: see {@link readPreprocessorConfig}. */
  readonly declared?: PreprocessOptions | undefined;
  /** Default: follows from the shape of the model's input. */
  readonly input?: ModelInput | undefined;
}

/** How much is looked at: images, and BatchNormalizations from the first on. */
interface Depth {
  readonly images: number;
  readonly probes: number;
}
const WHOLE: Depth = { images: 32, probes: 3 };
/** Enough to see that nothing speaks against a scaling that was given. */
const GLANCE: Depth = { images: 8, probes: 1 };

/** Ratio of distances from which on a candidate is clearly better, if it is better at every BatchNormalization too. */
const CLEAR = 2;
/** The same for the colour order, which changes less; besides, it must not be chance. */
const ORDER_CLEAR = 1.25;
const SIGNIFICANCE = 0.01;
/** Distance from which on images are unlike those of the training: then nothing can be told by them. */
const UNLIKE = 0.3;
/** What evaluation on ImageNet resizes to before it crops 224. */
const SHORTER_SIDE = 256 / 224;

/** A candidate as it is compared. */
interface Compared extends Candidate {
  readonly images: number;
  /** ln of the distance at every probe. */
  readonly logs: readonly number[];
  /** Their mean over a selection of images. */
  readonly logOf: (selection: ArrayLike<number>) => number;
}

/**
 * Finds out how images become what a network takes, without labels: BatchNormalization stores mean and variance of what it saw in
 * training, and the right preprocessing reproduces them. 32 images are run through the first layers with each candidate. A network whose
 * BatchNormalization was folded away is judged by its answers: confident ones, and various ones over various images. What does not
 * tell clearly is said to be doubtful or unknown, never guessed. Measured: docs/preprocessing.md.
 *
 * @throws {PreconditionError} E4005 no runner. @throws {DataError} images that cannot be read.
 * @example const { verdict, ranking } = await guessPreprocessing(model, { open: (preprocess) => openDataset("photos", { signature, preprocess, decode }) }, { runner });
 */
export async function guessPreprocessing(
  original: Model,
  question: PreprocessingQuestion,
  context: TransformContext,
): Promise<PreprocessingGuess> {
  const { given = {}, declared, open } = question;
  // What the network stores is compared in float32, whatever it computes in.
  const model = cloneModel(original);
  toFloat32(model);
  const signature = signatureOf(model);
  const input = question.input ?? plainInput(signature, undefined, given);
  const target = input && imageTarget(input);
  if (!target || (target.channels !== 3 && target.channels !== 1)) return nothing("the network takes no images");
  if ((signature.inputs[0]!.dtype ?? "float32") !== "float32") return nothing("the network takes integers");
  if ((model.opsets.get("") ?? 0) < OLDEST) return nothing(`the file is older than opset ${OLDEST}`);
  const size = sizeOptions(given);
  const declaredSize = declared && Object.keys(size).length === 0 ? fittingSize(declared, target) : size;
  const opened = await open({ ...size, preset: "raw" });
  if (opened.random) return nothing("the data are random numbers");
  if (opened.preprocessed === false || opened.record) return nothing("the data are numbers, not pixels");
  const candidates = candidatesOf(target.channels, given, declared);
  const look = async ({ images, probes }: Depth) => {
    const pixels = keepSamples(spread(opened, images));
    const compared: Compared[] = [];
    for (const candidate of candidates.all) {
      const own = await byStatistics({ model, candidate, pixels, target, probes }, context);
      if (!own) break;
      compared.push(own);
    }
    return compared.length > 0 ? verdictOf(compared, candidates, "statistics", { size, declaredSize }) : undefined;
  };
  if (candidates.given) {
    const glance = await look(GLANCE);
    if (!glance) return nothing("the network stores no statistics");
    if (glance.givenLosesBy === undefined && !glance.isUnlikeTraining) return glance;
    return (await look(WHOLE))!;
  }
  const guess = await look(WHOLE);
  if (guess)
    return guess.verdict === "found" ? withCrop(guess, candidates.all, original, question, target, context) : guess;
  const pixels = keepSamples(spread(opened, WHOLE.images));
  const answered: Compared[] = [];
  for (const candidate of candidates.all) {
    // A colour order changes answers too little to be told by them.
    if (candidate.applied.reversed && !given.colorOrder) continue;
    const own = await byAnswers({ model, candidate, pixels, target }, context);
    if (!own) return nothing("the network stores no statistics, and its answers are no classes");
    answered.push(own);
  }
  return verdictOf(answered, candidates, "answers", { size, declaredSize });
}

/** The oldest opset whose arithmetic broadcasts. */
const OLDEST = 7;

const nothing = (reason: string): PreprocessingGuess => ({
  by: "nothing",
  verdict: "unknown",
  ranking: [],
  margin: 1,
  isColorOrderFound: false,
  isUnlikeTraining: false,
  reason,
});

const sizeOptions = ({ resize, crop, fit, pad }: PreprocessOptions): PreprocessOptions => ({
  ...(resize !== undefined && { resize }),
  ...(crop !== undefined && { crop }),
  ...(fit !== undefined && { fit }),
  ...(pad !== undefined && { pad }),
});

/** Size and crop of a file beside the model, where they end at the size of its input. */
function fittingSize(declared: PreprocessOptions, { height, width }: ImageTarget): PreprocessOptions {
  const { resize, crop } = sizeOptions(declared);
  const fits = (sides: PreprocessOptions["crop"]) => [sides, sides].flat().slice(0, 2).join() === `${height},${width}`;
  if (crop !== undefined) return fits(crop) ? sizeOptions(declared) : {};
  return fits(resize) ? { resize: [height, width] } : {};
}

/** One look at one candidate. */
interface Look {
  readonly model: Model;
  readonly candidate: Candidate;
  readonly pixels: Dataset;
  readonly target: ImageTarget;
}

async function byStatistics(
  { model, candidate, pixels, target, probes }: Look & Pick<Depth, "probes">,
  context: TransformContext,
): Promise<Compared | undefined> {
  const network = scaledInside(model, candidate.applied, target.layout);
  const statistics = await normalizationStatistics(network, pixels, probes, context);
  if (!statistics) return undefined;
  const logsOf = (selection: ArrayLike<number>) => statistics.map((own) => logDistance(own, selection));
  return {
    ...candidate,
    images: pixels.length,
    logs: logsOf(everyImage(pixels)),
    logOf: (selection) => meanOf(logsOf(selection)),
  };
}

async function byAnswers(
  { model, candidate, pixels, target }: Look,
  context: TransformContext,
): Promise<Compared | undefined> {
  const lackOf = await answerLack(scaledInside(model, candidate.applied, target.layout), pixels, context);
  if (!lackOf) return undefined;
  const logOf = (selection: ArrayLike<number>) => Math.log(lackOf(selection));
  return { ...candidate, images: pixels.length, logs: [logOf(everyImage(pixels))], logOf };
}

const everyImage = ({ length }: Dataset) => Uint32Array.from({ length }, (_, index) => index);
const meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const farness = ({ logs }: Compared) => meanOf(logs);

/** How many times farther off the second is, where it is so at every probe; else 1. */
function clearRatio(first: Compared, second: Compared): number {
  if (!first.logs.every((log, at) => log < second.logs[at]!)) return 1;
  return Math.exp(farness(second) - farness(first));
}
const suits = (candidate: Compared, other: Compared) => clearRatio(candidate, other) >= CLEAR;

/** The verdict over all candidates: scaling first, then, within it, the colour order. */
function verdictOf(
  compared: readonly Compared[],
  { given, declared }: ReturnType<typeof candidatesOf>,
  by: "statistics" | "answers",
  sizes: { readonly size: PreprocessOptions; readonly declaredSize: PreprocessOptions },
): PreprocessingGuess {
  const sorted = [...compared].sort((a, b) => farness(a) - farness(b));
  const ordersOf = (scaling: string | undefined) => sorted.filter((candidate) => candidate.scaling === scaling);
  const bests = [...new Set(sorted.map(({ scaling }) => scaling))].map((scaling) => ordersOf(scaling)[0]!);
  const nearest = bests[0]!;
  // What a file beside the model says needs no proof, only no disproof.
  const [asDeclared] = ordersOf(declared);
  const isDeclared = asDeclared !== undefined && !suits(nearest, asDeclared);
  const orders = ordersOf(isDeclared ? declared : nearest.scaling);
  const isColorOrderFound = isOrderFound(orders);
  // Where the order cannot be told, it is that of the data.
  const first = (!isColorOrderFound && orders.find(({ applied }) => !applied.reversed)) || orders[0]!;
  const others = bests.filter(({ scaling }) => scaling !== first.scaling);
  const asGiven = sorted.find(({ name }) => name === given?.name);
  const isUnlikeTraining = by === "statistics" && farness(nearest) > Math.log(UNLIKE);
  const isClear = others.every((other) => suits(orders[0]!, other));
  const isFound = isDeclared || (isClear && !isUnlikeTraining);
  return {
    by,
    verdict: isFound ? "found" : by === "answers" ? "unknown" : "doubtful",
    ranking: [first, ...others].map((candidate) => ({
      name: candidate.name,
      options: { ...candidate.options, ...(isDeclared && candidate === first ? sizes.declaredSize : sizes.size) },
      distance: Math.exp(farness(candidate)),
    })),
    margin: others[0] ? Math.exp(farness(others[0]) - farness(first)) : 1,
    isColorOrderFound,
    ...(asGiven && suits(nearest, asGiven) && { givenLosesBy: clearRatio(nearest, asGiven) }),
    isUnlikeTraining,
  };
}

/** Whether the better of two colour orders is better beyond chance, and by enough to matter. */
function isOrderFound([better, worse]: readonly Compared[]): boolean {
  if (!better || !worse) return true;
  if (farness(worse) - farness(better) < Math.log(ORDER_CLEAR)) return false;
  const { p } = bootstrapDifference(better.images, better.logOf, worse.logOf, { resamples: 400 });
  return p <= SIGNIFICANCE;
}

/**
 * The guess with the resizing of an evaluation on ImageNet, the shorter side to 256/224 of the input and its centre, where that suits
 * clearly better than the whole image squeezed. Images that have the input's size are as somebody made them for the network.
 */
async function withCrop(
  guess: PreprocessingGuess,
  candidates: readonly Candidate[],
  model: Model,
  { open, given = {} }: PreprocessingQuestion,
  target: ImageTarget,
  context: TransformContext,
): Promise<PreprocessingGuess> {
  const [best, ...others] = guess.ranking;
  const candidate = candidates.find(({ name }) => name === best!.name)!;
  const { height, width } = target;
  const crop = [height, width] as const;
  const settled = { ...sizeOptions(given), ...sizeOptions(best!.options) };
  if (Object.keys(settled).length > 0) return guess;
  if (!(await isLarger(open, crop))) return guess;
  const resize = Math.round(Math.min(height, width) * SHORTER_SIDE);
  const look = async (options: PreprocessOptions) => {
    const pixels = spread(await open({ ...options, preset: "raw" }), WHOLE.images);
    return byStatistics({ model, candidate, pixels, target, probes: WHOLE.probes }, context);
  };
  try {
    const [squeezed, cropped] = [await look({}), await look({ resize, crop })];
    if (!squeezed || !cropped || !suits(cropped, squeezed)) return guess;
    const name = `${best!.name}, shorter side ${resize}, centre ${height}x${width}`;
    const options = { ...best!.options, resize, crop };
    return { ...guess, ranking: [{ name, options, distance: Math.exp(farness(cropped)) }, ...others] };
  } catch (error) {
    // A very long image has no such centre.
    if (error instanceof DataError && error.code === "E5003") return guess;
    throw error;
  }
}

/** Whether the first image has to be made smaller: a crop alone then shows a part of it. */
async function isLarger(open: PreprocessingQuestion["open"], crop: readonly [number, number]): Promise<boolean> {
  const read = async (options: PreprocessOptions) => {
    const dataset = await open({ ...options, preset: "raw" });
    const pixels = new Float32Array(sizeOf(dataset.shape));
    await dataset.fill(0, pixels, 0);
    return pixels;
  };
  try {
    const [whole, centre] = [await read({}), await read({ crop })];
    return whole.some((value, at) => value !== centre[at]);
  } catch (error) {
    if (error instanceof DataError && error.code === "E5003") return false;
    throw error;
  }
}
