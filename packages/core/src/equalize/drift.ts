import type { Model } from "../graph/index.js";
import type { HostTensor, Runner } from "../runtime/index.js";
import type { Drift } from "./equalize-report.js";

/**
 * Compares all float outputs of two models on the same inputs, without graph optimizations. NaN in one and not in the other
 * counts as infinite drift.
 */
export async function measureDrift(
  runner: Runner,
  before: Model,
  after: Model,
  probes: readonly Readonly<Record<string, HostTensor>>[],
  signal?: AbortSignal,
): Promise<Drift> {
  const run = (model: Model) =>
    runner.using(
      model,
      async (session) => {
        const results: Record<string, HostTensor>[] = [];
        for (const feeds of probes) results.push(await session.run(feeds, { signal }));
        return results;
      },
      { optimization: "disabled", purpose: "drift" },
    );
  const expected = await run(before);
  const actual = await run(after);
  const drift = { max: 0, mean: 0 };
  for (const { name } of before.graph.outputs) {
    const pairs = expected.map((outputs, k) => [outputs[name], actual[k]![name]] as const);
    const own = compare(pairs);
    drift.max = Math.max(drift.max, own.max);
    drift.mean = Math.max(drift.mean, own.mean);
  }
  return drift;
}

function compare(pairs: readonly (readonly [HostTensor | undefined, HostTensor | undefined])[]): Drift {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  let worst = 0;
  let sum = 0;
  let count = 0;
  for (const [expected, actual] of pairs) {
    if (expected?.dtype !== "float32" || !actual) continue;
    const a = expected.data as Float32Array;
    const b = actual.data as Float32Array;
    for (let i = 0; i < a.length; i++) {
      const x = a[i]!;
      const same = Object.is(x, b[i]!);
      const difference = same ? 0 : Math.abs(x - b[i]!);
      // NaN compares false: it must not pass as no difference.
      if (!(difference <= worst)) worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
      sum += difference;
      if (x < low) low = x;
      if (x > high) high = x;
    }
    count += a.length;
  }
  const range = high > low ? high - low : Math.max(Math.abs(high), Number.MIN_VALUE * 1e30);
  return count === 0 ? { max: 0, mean: 0 } : { max: worst / range, mean: sum / count / range };
}
