import { expect } from "vitest";
import { runner } from "../helpers/runner.js";
import {
  assertValid,
  createRandom,
  type FoldKind,
  type FoldOptions,
  type FoldReport,
  fold,
  type HostTensor,
  type Model,
  parseModel,
  requiredInputs,
  serializeModel,
  type TransformContext,
} from "./core.js";

export type Outputs = Record<string, HostTensor>;

/** Normal random numbers for every input; symbolic sizes become 3. */
export function randomFeeds(model: Model, seed = 99): Outputs {
  const random = createRandom(seed);
  const feeds: Outputs = {};
  for (const { name, shape, dtype } of requiredInputs(model.graph)) {
    const dims = (shape ?? []).map((dim) => (typeof dim === "number" ? dim : 3));
    const size = dims.reduce((a, b) => a * b, 1);
    if (dtype === "bool") feeds[name] = { dtype, dims, data: Uint8Array.from({ length: size }, () => 1) };
    else if (dtype === "int64") feeds[name] = { dtype, dims, data: BigInt64Array.from({ length: size }, () => 1n) };
    else if (dtype === "float64") {
      feeds[name] = { dtype, dims, data: Float64Array.from({ length: size }, () => random.normal()) };
    } else feeds[name] = { dtype: "float32", dims, data: Float32Array.from({ length: size }, () => random.normal()) };
  }
  return feeds;
}

/** Runs the bytes literally, in a session of their own. */
export function runBytes(bytes: Uint8Array, feeds: Outputs): Promise<Outputs> {
  return runner.using(bytes, (session) => session.run(feeds), { optimization: "disabled" });
}

/** Largest difference over all outputs, relative to the largest value of the output. */
export function relativeDifference(expected: Outputs, actual: Outputs): number {
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  let worst = 0;
  for (const [name, a] of Object.entries(expected)) {
    const b = actual[name]!;
    expect([b.dtype, b.dims]).toEqual([a.dtype, a.dims]);
    let largest = 1e-30;
    let difference = 0;
    for (let i = 0; i < a.data.length; i++) {
      const [x, y] = [Number(a.data[i]), Number(b.data[i])];
      if (Number.isNaN(x) && Number.isNaN(y)) continue;
      largest = Math.max(largest, Math.abs(x));
      difference = Math.max(difference, x === y ? 0 : Math.abs(x - y));
    }
    worst = Math.max(worst, difference / largest);
  }
  return worst;
}

export interface Folded {
  readonly report: FoldReport;
  readonly model: Model;
}

/** Folds a copy of the model. Changes nothing in the model given. */
export async function foldCopy(model: Model, options: FoldOptions = {}, context: TransformContext = { runner }) {
  const before = serializeModel(model);
  const copy = parseModel(before);
  const report = await fold(options)(copy, context);
  return { report, model: copy, before, after: serializeModel(copy) };
}

/**
 * Folds, and proves: something changed; the graph is valid; the rebuilt model computes the same outputs under the same names
 * (optimizations off, ≤ 1e-5 relative); a second run changes nothing.
 */
export async function expectFolded(
  model: Model,
  options: FoldOptions = {},
  context: TransformContext = { runner },
): Promise<Folded> {
  const result = await foldCopy(model, options, context);
  expect(result.report.skipped).toEqual([]);
  expect(result.report.modified).toBe(true);
  expect(result.report.nodesAfter).toBeLessThanOrEqual(result.report.nodesBefore);
  await expectSameFunction(model, result, options, context);
  return result;
}

export async function expectSameFunction(
  model: Model,
  { before, after, model: folded }: Awaited<ReturnType<typeof foldCopy>>,
  options: FoldOptions = {},
  context: TransformContext = { runner },
): Promise<void> {
  assertValid(folded);
  expect(Buffer.compare(before, after)).not.toBe(0);
  const feeds = randomFeeds(model);
  const expected = await runBytes(before, feeds);
  expect(relativeDifference(expected, await runBytes(after, feeds))).toBeLessThanOrEqual(1e-5);
  const again = await foldCopy(folded, options, context);
  expect(again.report.folded).toEqual([]);
  expect(again.report.modified).toBe(false);
  expect(Buffer.compare(again.before, again.after)).toBe(0);
}

/** Proves that nothing happens to the model, byte by byte, and that `node` is reported with a reason that matches. */
export async function expectRefused(
  model: Model,
  node: string,
  reason: RegExp,
  options: FoldOptions = {},
  context: TransformContext = { runner },
): Promise<FoldReport> {
  const { report, before, after } = await foldCopy(model, options, context);
  expect(report.skipped.filter((skip) => skip.node === node).map((skip) => skip.reason)).toEqual([
    expect.stringMatching(reason),
  ]);
  expect(report.modified).toBe(false);
  expect(Buffer.compare(before, after)).toBe(0);
  return report;
}

export function opTypes(model: Model): string[] {
  return model.graph.nodes.map(({ opType }) => opType);
}

export function countsOf(counts: Partial<Record<FoldKind, number>>): Record<FoldKind, number> {
  return { constants: 0, identities: 0, pads: 0, affine: 0, batchNorms: 0, heads: 0, ...counts };
}

export function floats(model: Model, name: string): number[] {
  return model.graph.initializers.get(name)!.numbers();
}
