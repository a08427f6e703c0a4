import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { type ErrorCode, GraphBuilder, type Model, validateModels } from "../../src/lab.js";
import { countingDataset, tableModel, tableRunner } from "./fake-runner.js";

const rows = [
  [0, 1, 2],
  [2, 1, 0],
  [1, 2, 0],
];

function tables(candidate: readonly (readonly number[])[], baseline = rows) {
  const models = { candidate: tableModel(), baseline: tableModel() };
  const runner = tableRunner(
    new Map([
      [models.candidate, { rows: candidate }],
      [models.baseline, { rows: baseline }],
    ]),
  );
  return { ...models, runner };
}

async function codeOf(run: () => Promise<unknown>): Promise<{ code: ErrorCode; message: string; details: object }> {
  return run().then(
    () => expect.unreachable("nothing was thrown"),
    (error) => error,
  );
}

test("NaN and Inf in an output name the model and the sample", async () => {
  for (const [bad, what] of [
    [Number.NaN, "NaN"],
    [Number.NEGATIVE_INFINITY, "Inf"],
  ] as const) {
    const damaged = rows.map((row, i) => (i === 1 ? [0, bad, 0] : row));
    const { runner, candidate, ...models } = tables(damaged);
    const error = await codeOf(() =>
      validateModels(candidate, { ...models, batchSize: 2, latency: false }, { runner, data: countingDataset(3) }),
    );
    expect(error).toMatchObject({
      code: "E7001",
      message: `validate: ${what} in output "y" of the candidate at sample sample-1`,
      details: { sample: "sample-1", tensor: "y" },
    });
  }
});

test("a label that the output has no class for is refused before it is counted", async () => {
  const { runner, candidate, ...models } = tables(rows);
  const dataset = countingDataset(3, [0, 1, 3]);
  const error = await codeOf(() => validateModels(candidate, { ...models, latency: false }, { runner, data: dataset }));
  expect(error).toMatchObject({ code: "E5004", details: { actual: 3, expected: "0-2" } });
});

test("models that do not belong together, and data that do not fit, are refused", async () => {
  const { runner, candidate, ...models } = tables(rows.map((row) => row.slice(1)));
  const dataset = countingDataset(3);
  expect(
    await codeOf(() => validateModels(candidate, { ...models, latency: false }, { runner, data: dataset })),
  ).toMatchObject({
    code: "E5003",
    message: "validate: the baseline gives [3] a sample, the candidate [2]",
  });
  const wide = { ...dataset, shape: [2] };
  expect(
    await codeOf(() => validateModels(candidate, { ...models, latency: false }, { runner, data: wide })),
  ).toMatchObject({
    code: "E5003",
    message: "validate: candidate: samples of shape [2], the model takes [1]",
  });
});

test("no samples, unknown options, a bad batch size, inputs that cannot be fed", async () => {
  const { runner, candidate } = tables(rows);
  const dataset = countingDataset(3);
  const attempt = (options: object, model = candidate, data = dataset) =>
    codeOf(() => validateModels(model, options, { runner, data }));
  expect(await attempt({}, candidate, countingDataset(0))).toMatchObject({ code: "E5001" });
  expect(await attempt({ against: candidate })).toMatchObject({ code: "E2001" });
  expect(await attempt({ batchSize: 0 })).toMatchObject({ code: "E2002" });
  expect(await attempt({ batchSize: 1.5 })).toMatchObject({ code: "E2002" });
  const typed = (inputs: number): Model => {
    const { model, builder } = GraphBuilder.model("typed");
    const names = Array.from({ length: inputs }, (_, i) => builder.input(`x${i}`, ["N", 1]));
    builder.output(builder.node("Add", names));
    return model;
  };
  expect(await attempt({}, typed(2))).toMatchObject({ code: "E5003" });
  expect(await codeOf(() => validateModels(candidate, {}, { data: dataset }))).toMatchObject({ code: "E4005" });
});

test("cancelling stops after the batch that runs, and sessions are closed", async () => {
  const many = Array.from({ length: 40 }, (_, i) => rows[i % 3]!);
  const { runner: inner, candidate } = tables(many);
  let open = 0;
  const runner: typeof inner = {
    ...inner,
    async open(model, options) {
      const session = await inner.open(model, options);
      open++;
      return { ...session, dispose: async () => void open-- };
    },
  };
  const abort = new AbortController();
  const seen: number[] = [];
  const error = await codeOf(() =>
    validateModels(
      candidate,
      { batchSize: 4, latency: false },
      {
        runner,
        signal: abort.signal,
        onProgress: ({ phase, done, total }) => {
          expect([phase, total]).toEqual(["validate", 40]);
          seen.push(done);
          if (done === 12) abort.abort();
        },
        data: countingDataset(40),
      },
    ),
  );
  expect(error).toMatchObject({ code: "E6005" });
  expect(seen).toEqual([4, 8, 12]);
  expect(open).toBe(0);
});

test("memory: outputs are not kept", async () => {
  // 1000 samples of 2000 outputs of two models are 16 MB and more; a pass that kept them could not stay below 8.
  const wide = Array.from({ length: 7 }, (_, i) => Array.from({ length: 2000 }, (_, j) => (i * 31 + j * 17) % 101));
  const length = 1000;
  const { runner: inner, candidate, baseline } = tables(wide, wide);
  const cyclic: typeof inner = {
    ...inner,
    async open(model, options) {
      const session = await inner.open(model, options);
      return {
        ...session,
        run: ({ x }, runOptions) =>
          session.run({ x: { ...x!, data: (x!.data as Float32Array).map((value) => value % 7) } }, runOptions),
      };
    },
  };
  const dataset = countingDataset(
    length,
    Array.from({ length }, (_, i) => i % 2000),
  );
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const used = () => {
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const start = used();
  let peak = 0;
  const report = await validateModels(
    candidate,
    { baseline, batchSize: 50, latency: false },
    {
      runner: cyclic,
      onProgress: ({ done }) => {
        if (done % 250 === 0) peak = Math.max(peak, used());
      },
      data: dataset,
    },
  );
  expect(report.agreement).toBe(1);
  expect(peak - start).toBeLessThan(8e6);
});
