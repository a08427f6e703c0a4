import { randomDataset } from "@equant/core";
import { expect, test } from "vitest";
import { Gate } from "../../src/worker/gate.js";

const sample = new Float32Array(4);
const soon = (ms: number) => new Promise((go) => setTimeout(go, ms));

test("messages are seen soon while samples are read, however fast they are", async () => {
  const dataset = new Gate().dataset(randomDataset([4], 10, 1));
  let seen = false;
  await dataset.fill(0, sample, 0);
  const started = performance.now();
  setTimeout(() => {
    seen = true;
  });
  let reads = 0;
  while (!seen && performance.now() - started < 2000) {
    await dataset.fill(reads++ % 10, sample, 0);
  }
  expect(seen).toBe(true);
  expect(performance.now() - started).toBeLessThan(400);
});

test("a pause holds the next sample until it ends", async () => {
  const gate = new Gate();
  const dataset = gate.dataset(randomDataset([4], 10, 1));
  gate.set(true);
  let done = false;
  const reading = Promise.resolve(dataset.fill(0, sample, 0)).then(() => {
    done = true;
  });
  await soon(30);
  expect(done).toBe(false);
  gate.set(false);
  await reading;
  expect(done).toBe(true);
});
