import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { expect, onTestFinished, test } from "vitest";
import { createAppServer } from "../../packages/cli/src/commands/app-server.js";
import { type AppUnderTest, goTo, idle, startApp } from "./app.js";

/** What Chromium wrote about its network: requests of the page and of every worker, and Chromium's own, which no page began. */
interface NetLog {
  readonly constants: { readonly logEventTypes: Readonly<Record<string, number>> };
  readonly events: readonly {
    readonly type: number;
    readonly params?: { readonly url?: string; readonly initiator?: string };
  }[];
}

/** Addresses that pages of an origin and their workers asked for. */
function askedBy(origin: string, path: string): string[] {
  const { constants, events } = JSON.parse(readFileSync(path, "utf8")) as NetLog;
  const request = constants.logEventTypes.URL_REQUEST_START_JOB;
  return events.flatMap(({ type, params }) =>
    type === request && params?.url && params.initiator === origin ? [params.url] : [],
  );
}

/** The demo from the click to the quantized network, and a run of a recipe after it: page, engine, ONNX Runtime's threads, charts, graph. */
async function compress(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Run the demo" }).click();
  await page.getByText("Top-1, quantized").waitFor({ timeout: 60_000 });
  await page.locator(".chart-drawing svg").first().waitFor({ timeout: 20_000 });
  await idle(page);
  await goTo(page, "model");
  await page.locator("#graph canvas").first().waitFor();
  await goTo(page, "quantize");
  await page.getByRole("button", { name: "Run the recipe" }).click();
  await page.getByRole("heading", { name: "Steps" }).waitFor();
  await idle(page);
}

const ELSEWHERE = "http://elsewhere.example/";

/** Runs in the page or a worker: tries to reach another address, and says whether the policy refused. */
async function refused(url: string): Promise<string> {
  const policy = new Promise<string>((resolve) =>
    addEventListener("securitypolicyviolation", ({ effectiveDirective }) => resolve(effectiveDirective)),
  );
  const tried = await fetch(url, { mode: "no-cors" }).then(
    () => "answered",
    () => "failed",
  );
  return Promise.race([policy, new Promise<string>((resolve) => setTimeout(resolve, 2000, tried))]);
}

/** Runs in the page: the policy that a script of its own comes with. */
const policyOf = async (url: string) => (await fetch(url)).headers.get("Content-Security-Policy");

/** The hosts of the app: the command's own server, and one that sends no policy, after the page was there once. */
const HOSTS: readonly [string, ((folder: string) => Server) | undefined][] = [
  ["equant view", createAppServer],
  ["a static host, from the second visit on", undefined],
];

test.each(HOSTS)("%s: page and workers ask no other address, and could not", async (_, server) => {
  const folder = mkdtempSync(join(tmpdir(), "equant-net-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const log = join(folder, "net.json");
  // Nobody answers Chromium's own requests either.
  const app: AppUnderTest = await startApp({
    args: [`--log-net-log=${log}`, "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
    ...(server && { server }),
  });
  app.forgive(/Content Security Policy|Failed to load resource/);
  try {
    const page = await app.open();
    const violations: string[] = [];
    page.on("console", (message) => {
      if (/Content Security Policy/.test(message.text())) violations.push(message.text());
    });
    await page.evaluate(() => navigator.serviceWorker.ready);
    if (!server) await page.reload();
    await compress(page);
    expect(violations).toEqual([]);
    expect(await page.evaluate(refused, ELSEWHERE)).toBe("connect-src");
    const workers = page.workers();
    // ONNX Runtime's threads wait for work and answer nobody; their script comes with the same policy.
    const answering = workers.filter((worker) => !/ort-wasm/.test(worker.url()));
    expect(workers.length).toBeGreaterThan(answering.length);
    expect(answering.length).toBeGreaterThan(1);
    for (const worker of answering) expect(await worker.evaluate(refused, ELSEWHERE), worker.url()).toBe("connect-src");
    for (const worker of workers) expect(await page.evaluate(policyOf, worker.url())).toMatch(/connect-src 'self'/);
  } finally {
    await app.close();
  }
  const urls = askedBy(app.url, log);
  expect(urls.filter((url) => url.endsWith(".wasm")).length).toBeGreaterThan(0);
  expect(urls.filter((url) => !url.startsWith(`${app.url}/`))).toEqual([]);
});
