import { describe, expect, it } from "vitest";
import { type Dataset, randomDataset } from "../../src/data/index.js";
import { parseModel } from "../../src/graph/index.js";
import { type TuneOptions, type TuneReport, type TuneState, tune } from "../../src/pipeline/index.js";
import { leastExcluded } from "../../src/pipeline/tune-schedule.js";
import { NETWORKS } from "../helpers/networks.js";
import { runner } from "../helpers/quantized.js";

const context = { runner };
const DATA = randomDataset([3, 8, 8], 24, 31, { min: -1, max: 2 });
/** Labels of two kinds of random samples: accuracy is some number, which is all that is needed. */
const LABELLED: Dataset = { ...DATA, label: (index) => index % 5 };
const chain = NETWORKS.chain!;

async function search(dataset: Dataset, options: TuneOptions) {
  const made: { id: string; bytes: Uint8Array | undefined; state: TuneState }[] = [];
  const report = await tune(
    chain(),
    {
      calibrationSamples: 8,
      ...options,
      onTrial: async ({ trial, bytes, state }) => void made.push({ id: trial.id, bytes, state }),
    },
    { ...context, data: dataset },
  );
  return { report, made };
}

function naiveFront({ trials }: TuneReport, of: (trial: TuneReport["trials"][number]) => number): Set<string> {
  const beats = (a: TuneReport["trials"][number], b: TuneReport["trials"][number]) =>
    a.bytes! <= b.bytes! && of(a) >= of(b) && (a.bytes! < b.bytes! || of(a) > of(b));
  return new Set(trials.filter((own) => !trials.some((other) => beats(other, own))).map(({ id }) => id));
}

/** The whole grid on unlabelled data, measured once. */
let known: Promise<TuneState> | undefined;
function gridState(): Promise<TuneState> {
  known ??= search(DATA, { trials: 16, maxDrop: 1 }).then(({ made }) => made.at(-1)!.state);
  return known;
}

describe("tune", { timeout: 60_000 }, () => {
  it("a loose limit ends with the grid; the front and the best are those of a naive search", async () => {
    const { report, made } = await search(LABELLED, { maxDrop: 1 });
    expect(report).toMatchObject({ metric: "top-1", labelled: true, exhausted: true, samples: 24 });
    expect(report.trials.map(({ id }) => id)).toEqual(made.map(({ id }) => id));
    expect(new Set(report.trials.map(({ settings }) => JSON.stringify(settings))).size).toBe(16);
    const naive = naiveFront(report, ({ top1 }) => top1!);
    // Of trials that are equal in both, one is enough.
    for (const id of report.front) expect(naive).toContain(id);
    const figures = (ids: Iterable<string>) =>
      new Set(
        [...ids]
          .map((id) => report.trials.find((trial) => trial.id === id)!)
          .map(({ bytes, top1 }) => `${bytes} ${top1}`),
      );
    expect(figures(report.front)).toEqual(figures(naive));
    const smallest = Math.min(...report.trials.map(({ bytes }) => bytes!));
    expect(report.trials.find(({ id }) => id === report.best)!.bytes).toBe(smallest);
    for (const { bytes, id } of made) {
      expect(bytes!.length).toBe(report.trials.find((trial) => trial.id === id)!.bytes);
      expect(parseModel(bytes!).graph.nodes.length).toBeGreaterThan(5);
    }
    for (const { top1, drop } of report.trials) expect(drop).toBeCloseTo(report.float.top1! - top1!, 12);
  });

  it("a search that stopped goes on as if it had not", async () => {
    const { trials } = await gridState();
    const first = await search(DATA, { trials: 2 });
    expect(first.report).toMatchObject({ metric: "agreement", exhausted: false, labelled: false });
    const state = JSON.parse(JSON.stringify(first.made.at(-1)!.state)) as TuneState;
    const rest = await search(DATA, { trials: 4, state });
    expect(rest.made.map(({ id }) => id)).toEqual(trials.slice(2, 4).map(({ id }) => id));
    expect(rest.report.trials).toEqual(trials.slice(0, 4));
  });

  it("a limit that the grid misses: wide activations, then layers in float by sensitivity", async () => {
    // What is known is made worse than it is, so that the search has to go on.
    const spoil = (state: TuneState): TuneState => ({
      ...state,
      trials: state.trials.map((trial) => ({ ...trial, agreement: 0.5, drop: 0.5 })),
    });
    const grid = await gridState();
    const wide = await search(DATA, { state: spoil(grid), maxDrop: 0, trials: 17 });
    expect(wide.made.map(({ id }) => id)).toEqual([expect.stringMatching(/-a16$/)]);
    const last = wide.report.trials.at(-1)!;
    expect(last.error).toBeUndefined();
    expect(last.settings.activationBits).toBe(16);
    // 8 more bits of activations leave the noise of the weights.
    expect(last.sqnrDb).toBeGreaterThan(Math.max(...grid.trials.map(({ sqnrDb }) => sqnrDb!)));
    const { report, made } = await search(DATA, { state: spoil(wide.made[0]!.state), maxDrop: 0, trials: 30 });
    const order = made.at(-1)!.state.order!;
    expect([...order].sort()).toEqual(["a", "b", "fc"]);
    expect(made.length).toBeGreaterThan(0);
    // The least number of layers that is enough in float is tried with 16 bits.
    const wider = report.trials.find(({ id }) => id === made.at(-1)!.id)!;
    const floats = made.slice(0, -1).map(({ id }) => report.trials.find((trial) => trial.id === id)!);
    const enough = floats.filter(({ drop }) => drop === 0).sort((one, two) => one.bytes! - two.bytes!)[0]!;
    expect(wider.id).toMatch(/-wide[123]$/);
    expect(wider.settings).toEqual({ ...enough.settings, exclude: [], wide: enough.settings.exclude });
    expect(wider.error).toBeUndefined();
    expect(wider.bytes).toBeLessThan(enough.bytes!);
    expect(wider.sqnrDb).toBeGreaterThan(Math.max(...grid.trials.map(({ sqnrDb }) => sqnrDb!)));
    for (const { id } of floats) {
      const { exclude } = report.trials.find((trial) => trial.id === id)!.settings;
      expect(exclude).toEqual(order.slice(0, exclude.length));
      expect(exclude.length).toBeGreaterThan(0);
    }
    expect(report.exhausted).toBe(true);
    // Without any quantized layer the answers are the float network's.
    const best = report.trials.find(({ id }) => id === report.best)!;
    expect(best.drop).toBe(0);
    expect(made.map(({ id }) => id)).toContain(best.id);
  });

  it("no file is small enough: says so after the grid", async () => {
    const { report } = await search(DATA, { maxBytes: 10, state: await gridState(), trials: 30 });
    expect(report).toMatchObject({ best: null, exhausted: true, constraints: { maxDrop: 0.01, maxBytes: 10 } });
    expect(report.trials).toHaveLength(16);
  });

  it("refuses what is none", async () => {
    await expect(tune(chain(), { trial: 1 } as never, { ...context, data: DATA })).rejects.toMatchObject({
      code: "E2001",
    });
    await expect(tune(chain(), { trials: 0 }, { ...context, data: DATA })).rejects.toMatchObject({ code: "E2002" });
    await expect(tune(chain(), { maxDrop: -1 }, { ...context, data: DATA })).rejects.toMatchObject({ code: "E2002" });
  });
});

describe("leastExcluded", () => {
  it("finds the least number for every threshold, in few trials", async () => {
    for (let layers = 1; layers <= 40; layers++) {
      for (let least = 1; least <= layers + 1; least++) {
        const asked: number[] = [];
        await leastExcluded(layers, async (count) => {
          asked.push(count);
          return count >= least;
        });
        const good = asked.filter((count) => count >= least);
        if (least <= layers) expect(Math.min(...good)).toBe(least);
        else expect(Math.max(...asked)).toBe(layers);
        expect(new Set(asked).size).toBe(asked.length);
        expect(asked.length).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(layers + 1)) + 1);
      }
    }
  });
});
