import * as Plot from "@observablehq/plot";
import { category, DASHES, token } from "./colours.js";
import { type Chart, defineChart } from "./frame.js";
import { rankTicks } from "./lines.js";
import { count, percent, significant } from "./text.js";

/** One pass over the training data; shares 0–1, as core's `EpochRow`. */
export interface TrainedEpoch {
  /** From 1. */
  readonly epoch: number;
  readonly loss: number;
  readonly top1?: number | undefined;
  readonly validationTop1?: number | undefined;
  /** Measured on what is held out between two epochs. */
  readonly validations?: readonly { readonly epoch: number; readonly top1: number }[] | undefined;
}

const SERIES = [
  ["while learning", "top1"],
  ["held out", "validationTop1"],
] as const;

/** Accuracy by epoch on what is learned from and on what is held out, and the loss below: whether more epochs would help. */
export function trainingCurve(
  epochs: readonly TrainedEpoch[],
  options: {
    /** What the shares are of: right answers, or answers that are the teacher's. Default: `'top-1'`. */
    measures?: "top-1" | "agreement";
  } = {},
): Chart {
  const { measures = "top-1" } = options;
  const points = SERIES.map(([, key]) =>
    epochs.flatMap((row) => {
      const share = row[key];
      return share === undefined || !Number.isFinite(share) ? [] : [{ epoch: row.epoch, share }];
    }),
  );
  const heldOut = points[1]!;
  const between = epochs.flatMap(({ validations = [] }) => validations);
  const drawn = [
    points[0]!,
    [...heldOut, ...between.map(({ epoch, top1: share }) => ({ epoch, share }))].sort((a, b) => a.epoch - b.epoch),
  ];
  const best = heldOut.reduce<(typeof heldOut)[number] | undefined>(
    (a, b) => (a && a.share >= b.share ? a : b),
    undefined,
  );
  const losses = epochs.filter(({ loss }) => Number.isFinite(loss));
  const [first, last] = [losses[0], losses.at(-1)];
  const texts = {
    id: "training-curve",
    title: "Training by epoch",
    unit: `share of samples ${measures === "top-1" ? "answered right" : "answered as the teacher does"}; mean loss`,
    summary:
      (best
        ? `Of ${count(epochs.length, "epoch")}, epoch ${best.epoch} is best on held-out samples (${percent(best.share, 4)}), the last has ${percent(heldOut.at(-1)!.share, 4)}`
        : `${count(epochs.length, "epoch")}, none measured on held-out samples`) +
      (first && last ? `; the loss goes from ${significant(first.loss)} to ${significant(last.loss)}.` : "."),
    table: {
      columns: ["epoch", "loss", "while learning", "held out"],
      rows: epochs.map(({ epoch, loss, top1, validationTop1 }) => [epoch, loss, top1 ?? null, validationTop1 ?? null]),
    },
  };
  const [from, to] = [epochs[0]?.epoch ?? 1, epochs.at(-1)?.epoch ?? 1];
  const x = {
    domain: [from - (between.length > 0 ? 1 : 0.5), to + 0.5],
    ticks: rankTicks(to - from + 1).map((n) => from - 1 + n),
    tickFormat: "d",
  };
  const shared = { marginLeft: 52, marginRight: 20 };
  return defineChart(texts, ({ width }) => ({
    ...shared,
    width,
    height: 220,
    marginTop: 34,
    marginBottom: 6,
    key: { names: SERIES.map(([name]) => name), shape: "line" },
    x: { ...x, axis: null },
    y: {
      label: measures === "top-1" ? "accuracy" : "agreement",
      tickFormat: (y: number) => percent(y),
      grid: true,
      nice: true,
      ...(points.every((own) => own.length === 0) && { domain: [0, 1] }),
    },
    marks: drawn.flatMap((own, at) => [
      Plot.lineY(own, {
        x: "epoch",
        y: "share",
        stroke: category(at),
        strokeWidth: 1.7,
        ...(DASHES[at] !== undefined && { strokeDasharray: DASHES[at] }),
      }),
      Plot.dot(own, {
        x: "epoch",
        y: "share",
        r: 2.5,
        fill: category(at),
        title: ({ epoch, share }: { epoch: number; share: number }) =>
          `epoch ${significant(epoch)}: ${percent(share, 4)}`,
      }),
    ]),
    below: {
      ...shared,
      width,
      height: 110,
      marginTop: 20,
      marginBottom: 32,
      x: { ...x, label: "epoch", labelArrow: "none" },
      y: {
        label: "mean loss",
        grid: true,
        ticks: 3,
        zero: true,
        labelArrow: "none",
        tickFormat: (y: number) => significant(y),
        ...(losses.length === 0 && { domain: [0, 1] }),
      },
      marks: [
        Plot.ruleY([0], { stroke: token("muted") }),
        Plot.lineY(losses, { x: "epoch", y: "loss", stroke: category(2), strokeWidth: 1.7 }),
        Plot.dot(losses, { x: "epoch", y: "loss", r: 2.5, fill: category(2) }),
      ],
    },
  }));
}
