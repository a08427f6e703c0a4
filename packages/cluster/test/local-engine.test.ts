import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { localEngine } from "../src/local-engine.js";

/** A worker process that answers a job with its own number, sleeps at «slow», and ends at «death» or where a coin says so. */
const SCRIPT = `
process.on("disconnect", () => process.exit(0));
process.on("message", ({ id, job }) => {
  if (job === "death" || (job.startsWith("risky") && Math.random() < 0.3)) process.kill(process.pid, "SIGKILL");
  else if (job === "slow") setTimeout(() => {}, 1e6);
  else if (job === "throws") process.send({ id, failure: "no luck" });
  else process.send({ id, outcome: { ok: true, job } });
});
process.send({ ready: true });
`;

async function engine(workers: number) {
  const folder = await mkdtemp(join(tmpdir(), "equant-engine-"));
  const script = join(folder, "worker.mjs");
  await writeFile(script, SCRIPT);
  const deaths: string[] = [];
  const made = localEngine({ workers, script, onDeath: (reason) => deaths.push(reason) });
  onTestFinished(async () => {
    await made.close();
    await rm(folder, { recursive: true, force: true });
  });
  return { engine: made, deaths };
}

test("jobs of workers that are killed are done by others: every answer comes, once, to whoever asked", async () => {
  const { engine: fleet, deaths } = await engine(3);
  const jobs = Array.from({ length: 60 }, (_, i) => `${i % 4 === 0 ? "risky" : "job"} ${i}`);
  // A job that took three workers with it is given up: at 0.3 a time, one in 37.
  const answers = await Promise.allSettled(jobs.map((job) => fleet.run(job)));
  for (const [i, answer] of answers.entries()) {
    if (answer.status === "fulfilled") expect(answer.value).toEqual({ ok: true, job: jobs[i] });
    else expect(jobs[i]).toMatch(/^risky/);
  }
  expect(answers.filter(({ status }) => status === "fulfilled").length).toBeGreaterThan(45);
  for (const reason of deaths) expect(reason).toBe("SIGKILL");
});

test("a job that ends every worker is an error; the others go on", async () => {
  const { engine: fleet, deaths } = await engine(2);
  const [death, job, failure] = await Promise.allSettled([fleet.run("death"), fleet.run("job"), fleet.run("throws")]);
  expect(death).toMatchObject({ status: "rejected", reason: { code: "E6004" } });
  expect(failure).toMatchObject({ status: "rejected", reason: { code: "E6004" } });
  expect(job).toMatchObject({ status: "fulfilled", value: { ok: true, job: "job" } });
  expect(deaths).toEqual(["SIGKILL", "SIGKILL", "SIGKILL"]);
});

test("cancelled, it ends at once", async () => {
  const { engine: fleet } = await engine(1);
  const controller = new AbortController();
  const running = fleet.run("slow", controller.signal);
  const waiting = fleet.run("job", controller.signal);
  controller.abort();
  await expect(running).rejects.toMatchObject({ code: "E6005" });
  await expect(waiting).rejects.toMatchObject({ code: "E6005" });
});
