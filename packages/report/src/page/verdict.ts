import { bytes, decibels, percent, significant } from "../charts/text.js";
import type { Report, TaskSection } from "../schema.js";

/** What a run comes to, in a sentence, and the figures behind it. */
export interface Verdict {
  /** `good`: no loss that can be told from chance; `loss`; `unknown`: nothing was validated. */
  readonly kind: "good" | "loss" | "unknown";
  readonly sentence: string;
  readonly figures: readonly { readonly name: string; readonly value: string; readonly note: string }[];
}

/** A drop up to here, half a point, is called good when no test says more. */
const NEGLIGIBLE = 0.005;

/** Judges as ux rules say: «worse» only when McNemar's exact test on the same samples gives p < 0.05. */
export function verdictOf(report: Report): Verdict {
  const { validation } = report;
  const before = validation?.baseline?.accuracy;
  const after = validation?.candidate.accuracy;
  const task = validation?.task;
  const figures = [
    ...(task ? taskFigures(task) : accuracyFigures(report)),
    ...sizeFigures(report),
    ...signalFigures(report),
  ];
  if (report.random) {
    return {
      kind: "unknown",
      sentence: "Calibrated on random input: no figure here says how the model will do.",
      figures,
    };
  }
  if (task) return { ...taskVerdict(task, report), figures };
  if (!validation || !before || !after) {
    const last = report.steps.at(-1);
    const same = last?.error.agreement ?? null;
    const answers = same === null ? "" : `${percent(same)} of the answers stay the same, `;
    const signal = last ? ` On calibration samples ${answers}output SQNR ${decibels(last.error.sqnrDb)}.` : "";
    return { kind: "unknown", sentence: `Accuracy was not measured.${signal}`, figures };
  }
  const drop = validation.drop ?? before.top1 - after.top1;
  const p = validation.mcNemar?.p;
  const chance = p === undefined ? "" : ` (McNemar p ${p < 0.001 ? "< 0.001" : `= ${significant(p, 2)}`})`;
  if (p !== undefined && p < 0.05 && drop > 0) {
    return { kind: "loss", sentence: `Accuracy falls by ${points(drop)}${chance}.${suspect(report)}`, figures };
  }
  if (drop === 0) return { kind: "good", sentence: `Accuracy does not change${chance}.`, figures };
  const on = `on ${validation.samples} samples`;
  const sentence = `Accuracy changes by ${drop < 0 ? "+" : ""}${points(-drop)} ${on}, which can be chance${chance}.`;
  // Few samples hide a large drop: that is not known, not good.
  return { kind: drop > NEGLIGIBLE ? "unknown" : "good", sentence, figures };
}

/** Judged in the task's first figure: «worse» only when the same draws of samples say so with p < 0.05. */
function taskVerdict(task: TaskSection, report: Report): Pick<Verdict, "kind" | "sentence"> {
  const { drop, paired } = task;
  const title = titleOf(task);
  if (drop === null) return { kind: "unknown", sentence: `${title} is not defined on these samples.` };
  if (task.against === "float") {
    const lost = drop > NEGLIGIBLE;
    const figure = figureOf(task, task.candidate);
    return { kind: lost ? "unknown" : "good", sentence: `Against the float model's own answers: ${title} ${figure}.` };
  }
  const p = paired ? ` (p ${paired.p < 0.001 ? "< 0.001" : `= ${significant(paired.p, 2)}`})` : "";
  const amount = task.metrics[0]!.unit === "share" ? points(Math.abs(drop)) : percent(Math.abs(drop));
  if (drop > 0 && paired !== null && paired.p < 0.05) {
    return { kind: "loss", sentence: `${title} is worse by ${amount}${p}.${suspect(report)}` };
  }
  const sentence = `${title} is ${drop > 0 ? "worse" : "better"} by ${amount} on ${task.samples} samples, which can be chance${p}.`;
  return drop === 0
    ? { kind: "good", sentence: `${title} does not change${p}.` }
    : { kind: drop > NEGLIGIBLE ? "unknown" : "good", sentence };
}

/** What is not judged by labels says so. */
const titleOf = ({ metrics, against }: TaskSection) => `${against === "float" ? "agreement " : ""}${metrics[0]!.name}`;

function figureOf({ metrics }: TaskSection, { figures }: TaskSection["candidate"], at = 0): string {
  const { name, unit } = metrics[at]!;
  const value = figures[name] ?? null;
  return value === null ? "-" : unit === "share" ? percent(value, 4) : significant(value, 4);
}

function taskFigures(task: TaskSection): Verdict["figures"] {
  const { metrics, baseline, candidate, against, decoder, samples } = task;
  const { interval } = candidate;
  const isShare = metrics[0]!.unit === "share";
  const say = (value: number) => (isShare ? percent(value) : significant(value, 4));
  const range = interval ? `95 % interval ${say(interval.low)} … ${say(interval.high)}, ` : "";
  return metrics.slice(0, 3).map((metric, at) => ({
    name: at === 0 ? titleOf(task) : metric.name,
    value: `${baseline && against === "labels" ? `${figureOf(task, baseline, at)} → ` : ""}${figureOf(task, candidate, at)}`,
    note: at === 0 ? `${range}${samples} samples` : at === 1 ? decoder : "",
  }));
}

/** The first finding about a layer: where to look for the cause. */
function suspect({ findings }: Report): string {
  const first = findings.find(({ layer, severity }) => layer !== null && severity !== "info");
  if (!first) return "";
  return ` First suspect: ${first.text.replace(/\.$/, "")}.${first.remedy ? ` Try: ${first.remedy}.` : ""}`;
}

/** `−0.4 pp`. */
export function points(share: number): string {
  const value = 100 * share;
  return `${value < 0 ? "−" : ""}${significant(Math.abs(value), 3)} pp`;
}

function accuracyFigures({ validation }: Report) {
  const after = validation?.candidate.accuracy;
  if (!validation || !after) return [];
  const before = validation.baseline?.accuracy;
  const { low, high } = after.top1Interval;
  return [
    {
      name: "top-1",
      value: `${before ? `${percent(before.top1, 4)} → ` : ""}${percent(after.top1, 4)}`,
      note: `95 % interval ${percent(low)} … ${percent(high)}, ${validation.samples} samples`,
    },
  ];
}

function sizeFigures({ model, output, layers }: Report) {
  if (!model || !output) return [];
  const integers = layers.filter(({ bits }) => bits < 32).length;
  return [
    {
      name: "size",
      value: `${bytes(model.bytes)} → ${bytes(output.bytes)}`,
      note: `${percent(output.bytes / model.bytes)} of the original`,
    },
    {
      name: "layers on integers",
      value: `${integers} of ${layers.length}`,
      note: integers === layers.length ? "none stays float" : "the others stay float",
    },
  ];
}

function signalFigures({ sqnr, samples }: Report) {
  const worst = sqnr?.layers.reduce((a, b) => (b.local.both < a.local.both ? b : a), sqnr.layers[0]!);
  if (!worst) return [];
  return [
    {
      name: "lowest local SQNR",
      value: decibels(worst.local.both),
      note: `${worst.layer}, sampled on ${samples ?? sqnr?.samples ?? 0} samples`,
    },
  ];
}
