import { readFileSync, statSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { Calibration, createRunner, parseModel, prepareModel, quantize, serializeModel } from "@equant/core/lab";
import * as ort from "onnxruntime-node";
import type { Download, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AppUnderTest, goTo, idle, screenshot, startApp, stretched } from "./app.js";

const root = join(import.meta.dirname, "../..");
const DIGITS = join(root, "packages/cli/assets/digits.onnx");
let app: AppUnderTest;
beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.close());

async function saved(page: Page, name: string): Promise<Buffer> {
  const waiting = page.waitForEvent("download") as Promise<Download>;
  await page.getByRole("button", { name: `Save ${name}`, exact: true }).click();
  return readFile(await (await waiting).path());
}

/** What the page's policy refused so far; workers report to the console, which no test here may write to. */
const refusals = (page: Page) => page.evaluate(() => (window as unknown as { refused: string[] }).refused);

test("one click runs the demo to a verified integer model with charts, within 15 s", async () => {
  const page = await app.open();
  await page.evaluate(() => {
    const refused: string[] = [];
    (window as unknown as { refused: string[] }).refused = refused;
    document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
      refused.push(`${violatedDirective} ${blockedURI}`),
    );
  });
  await screenshot(page, "start");
  const started = Date.now();
  await page.getByRole("button", { name: "Run the demo" }).click();
  await page.getByText("Top-1, quantized").waitFor({ timeout: 60_000 });
  await page.locator(".chart-drawing svg").first().waitFor({ timeout: 10_000 });
  const seconds = (Date.now() - started) / 1000;
  process.stdout.write(`demo from click to charts: ${seconds.toFixed(1)} s\n`);
  await idle(page);
  await screenshot(page, "validate");
  await expect.poll(() => page.getByTestId("verdict").textContent()).toMatch(/Worst layer: \w+/);
  expect(seconds, "time from the click to the charts").toBeLessThan(stretched(15));

  // The graph, its styles and its worker, under the policy that the page is delivered with.
  await goTo(page, "model");
  await page.locator("#graph canvas").first().waitFor();
  await page.getByRole("application").waitFor();
  expect(await refusals(page)).toEqual([]);

  await goTo(page, "export");
  const bytes = await saved(page, "digits.int8.onnx");
  await page.getByText(/saved: opened again, ran 4 samples/).waitFor();
  expect(bytes.length).toBeLessThan(0.4 * statSync(DIGITS).size);
  const session = await ort.InferenceSession.create(bytes);
  expect(session.inputNames).toEqual(["input"]);
  const html = (await saved(page, "report.html")).toString();
  expect(html).toContain("digits.onnx");
  await screenshot(page, "export");
  expect(await refusals(page)).toEqual([]);
  // And there is a policy.
  app.forgive(/Content Security Policy/);
  await page.evaluate(() => fetch("https://elsewhere.example/").catch(() => undefined));
  expect(await refusals(page)).toEqual(["connect-src https://elsewhere.example/"]);
});

test("recipe and calibration file give the same bytes in the app and in Node", async () => {
  const page = await app.open();
  const recipe = { steps: [{ use: "fold" }, { use: "quantize", granularity: "per-channel", calibrator: "min-max" }] };
  await page.getByTestId("files").setInputFiles([
    { name: "recipe.json", mimeType: "application/json", buffer: Buffer.from(JSON.stringify(recipe)) },
    { name: "digits.onnx", mimeType: "application/octet-stream", buffer: readFileSync(DIGITS) },
  ]);
  await page.getByRole("heading", { name: "Model", level: 1 }).waitFor();
  await idle(page);
  await goTo(page, "data");
  await page.getByRole("button", { name: "Use the demo digits" }).click();
  await page.getByText("What the model sees").waitFor();
  await idle(page);
  await goTo(page, "calibrate");
  await page.getByRole("button", { name: "Calibrate", exact: true }).click();
  await page.getByRole("heading", { name: "Statistics" }).waitFor();
  await goTo(page, "quantize");
  await page.getByRole("button", { name: "Run the recipe" }).click();
  await page.getByRole("heading", { name: "Steps" }).waitFor();
  await goTo(page, "export");
  const text = (await saved(page, "calibration.json")).toString();
  const bytes = await saved(page, "digits.int8.onnx");

  const runner = createRunner(ort as never, { threads: 1 });
  const model = parseModel(readFileSync(DIGITS));
  await prepareModel(model, { runner });
  await quantize({ calibration: Calibration.parse(text), granularity: "per-channel", calibrator: "minmax" })(model, {
    runner,
  });
  expect(Buffer.compare(bytes, Buffer.from(serializeModel(model)))).toBe(0);
});

test("the way to the first picture is short, and no runtime is fetched before the first file", async () => {
  const dist = join(root, "packages/app/dist");
  const html = readFileSync(join(dist, "index.html"), "utf8");
  const critical = [...html.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g)].map((match) => match[1]!);
  const bytes = critical.reduce((sum, file) => sum + gzipSync(readFileSync(join(dist, file))).length, 0);
  expect(critical.length).toBeGreaterThanOrEqual(2);
  expect(bytes).toBeLessThan(100_000);
  expect((await readdir(join(dist, "assets"))).some((file) => /^ort/.test(file))).toBe(true);

  const context = await app.browser.newContext({ serviceWorkers: "block" });
  const page = await context.newPage();
  const requested: string[] = [];
  page.on("request", (request) => requested.push(request.url()));
  await page.goto(app.url);
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.waitForTimeout(500);
  expect(requested.filter((url) => /ort|wasm|engine|onnx/.test(url))).toEqual([]);
  await page.getByTestId("files").setInputFiles(DIGITS);
  await expect.poll(() => requested.some((url) => url.endsWith(".wasm")), { timeout: 20_000 }).toBe(true);
  await context.close();
});
