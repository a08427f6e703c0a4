import type { Dataset } from "../data/index.js";
import { throwIfAborted } from "../errors.js";
import type { Model } from "../graph/index.js";
import { median } from "../math/index.js";
import { describeRuntime, type Feeds, requireRunner, type TransformContext } from "../runtime/index.js";
import { type ModelUnderTest, modelUnderTest } from "./model-under-test.js";

/** Options for {@link measureLatency}. */
export interface LatencyOptions {
  /** Most rounds; in each every model runs once. Default: 100. */
  rounds?: number;
  /** Rounds that are not counted. Default: 5. */
  warmup?: number;
  /** Time after which no further round begins, at least 5 are made. Default: 4000. */
  budgetMs?: number;
  /** The clock, in milliseconds. Default: `performance.now`. */
  now?: () => number;
}
export const LATENCY_DEFAULTS = { rounds: 100, warmup: 5, budgetMs: 4000 } as const;

export interface ModelLatency {
  readonly minMs: number;
  readonly medianMs: number;
}

export interface LatencyReport {
  /** How it was measured: figures of another protocol, runtime or thread count are not comparable. */
  readonly protocol: "interleaved, one run each a round, threads do not spin";
  readonly rounds: number;
  /** Threads inside an operator; null: ONNX Runtime's choice. */
  readonly threads: number | null;
  readonly runtime: string;
  readonly models: readonly ModelLatency[];
  /** Median over the rounds of (last model) / (first model); null for one model. */
  readonly ratio: number | null;
}

const LEAST_ROUNDS = 5;

/**
 * Time of one run on one feed, for one model or for several in turn (A B A B …): what else the machine does hits
 * all of them alike, and the median of the ratios of neighbours cancels its drift.
 *
 * Sessions are opened with spinning off. Idle threads of an open session spin by default and take the processor from
 * the one that is measured (docs/validate.md has the figures); times are therefore a little above those of a session
 * that has the machine to itself.
 */
export async function measureLatency(
  models: readonly { readonly under: ModelUnderTest; readonly feeds: Readonly<Feeds> }[],
  options: LatencyOptions,
  context: TransformContext,
): Promise<LatencyReport> {
  const runner = requireRunner(context, "latency");
  const { rounds, warmup, budgetMs } = { ...LATENCY_DEFAULTS, ...options };
  const now = options.now ?? (() => performance.now());
  const sessions = [];
  const times: number[][] = models.map(() => []);
  try {
    for (const { under } of models) {
      sessions.push(await runner.open(under.model, { purpose: "latency", spinning: false }));
    }
    let started = now();
    for (let round = -warmup; round < rounds; round++) {
      throwIfAborted(context.signal, "latency");
      if (round === 0) started = now();
      if (round >= LEAST_ROUNDS && now() - started > budgetMs) break;
      for (const [i, { under, feeds }] of models.entries()) {
        const before = now();
        await sessions[i]!.run(feeds, { fetches: under.outputs });
        if (round >= 0) times[i]!.push(now() - before);
      }
    }
    // Reported once: drawing progress between the runs would be measured too.
    context.onProgress?.({ phase: "latency", done: times[0]!.length, total: times[0]!.length });
  } finally {
    for (const session of sessions) await session.dispose();
  }
  const [first, last] = [times[0]!, times.at(-1)!];
  return {
    protocol: "interleaved, one run each a round, threads do not spin",
    rounds: first.length,
    threads: runner.options.threads ?? null,
    runtime: describeRuntime(runner),
    models: times.map((list) => ({ minMs: Math.min(...list), medianMs: median(list) })),
    ratio: models.length > 1 ? median(last.map((time, i) => time / first[i]!)) : null,
  };
}

/** Time of one run of `model` over that of `original`, in pairs: the median of the ratios. */
export async function timeRatio(
  original: Model,
  model: Model,
  dataset: Dataset,
  options: LatencyOptions,
  context: TransformContext,
): Promise<number> {
  const timed = [];
  for (const [role, own] of [
    ["baseline", original],
    ["candidate", model],
  ] as const) {
    const under = await modelUnderTest(own, role, dataset, context);
    timed.push({ under, feeds: await under.feed.first() });
  }
  return (await measureLatency(timed, options, context)).ratio!;
}
