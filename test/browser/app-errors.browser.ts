import { mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cloneModel, parseModel, serializeModel } from "@equant/core";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AppUnderTest, goTo, idle, screenshot, startApp } from "./app.js";

const root = join(import.meta.dirname, "../..");
const DIGITS = join(root, "packages/cli/assets/digits.onnx");
const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);
let app: AppUnderTest;
let digits: Buffer;
beforeAll(async () => {
  app = await startApp();
  digits = await readFile(DIGITS);
});
afterAll(() => app.close());

const drop = (page: Page, ...files: [name: string, buffer: Buffer][]) =>
  page
    .getByTestId("files")
    .first()
    .setInputFiles(files.map(([name, buffer]) => ({ name, mimeType: "", buffer })));

async function openDigits(page: Page): Promise<void> {
  await drop(page, ["digits.onnx", digits]);
  await page.getByRole("heading", { name: "Model", level: 1 }).waitFor();
  await idle(page);
}

/** The card says these, and what was open before still is. */
async function expectCard(page: Page, ...texts: RegExp[]): Promise<void> {
  const card = page.getByRole("alert", { name: "Error" });
  await card.waitFor({ timeout: 20_000 });
  const text = await card.innerText();
  for (const wanted of [/Where/, /Why/, /What now/, ...texts]) expect(text).toMatch(wanted);
  expect(text).not.toMatch(/undefined|\bat .*\.js/);
}

test("an image as a model, and a model that is cut off: a card, and the open model stays", async () => {
  const page = await app.open();
  await openDigits(page);
  await goTo(page, "start");
  await drop(page, ["model.onnx", PNG]);
  await expectCard(page, /not an ONNX file/i, /PNG image/, /E3002/);
  await screenshot(page, "error");
  await page.getByRole("button", { name: "Dismiss" }).click();
  await drop(page, ["cut.onnx", digits.subarray(0, 40_000)]);
  await expectCard(page, /cut\.onnx/, /E3002|E3004/);
  await goTo(page, "model");
  await page.getByText("21,578").waitFor();
  // And it can still be worked with.
  await goTo(page, "data");
  await page.getByRole("button", { name: "Use the demo digits" }).click();
  await page.getByText("What the model sees").waitFor({ timeout: 20_000 });
});

test("external data that are missing are named; dropped together they are found", async () => {
  const page = await app.open();
  const model = cloneModel(parseModel(digits));
  const [name, tensor] = [...model.graph.initializers].find(([, tensor]) => tensor.byteLength! > 10_000)!;
  const bytes = tensor.bytes();
  const file = serializeModel(model, {
    externalize: (candidate) =>
      candidate === name ? { location: "weights.bin", offset: 0, length: bytes.length } : undefined,
  });
  await drop(page, ["split.onnx", Buffer.from(file)]);
  await expectCard(page, /weights\.bin/, /drop weights\.bin together/i, /E3005/);
  await page.getByRole("button", { name: "Dismiss" }).click();
  await drop(page, ["split.onnx", Buffer.from(file)], ["weights.bin", Buffer.from(bytes)]);
  await page.getByRole("heading", { name: "Model", level: 1 }).waitFor();
  await page.getByText("21,578").waitFor();
});

test("images of any size are resized; a damaged one is named; a file of nothing says what is known", async () => {
  const page = await app.open();
  await openDigits(page);
  await goTo(page, "start");
  await drop(page, ["a.png", PNG], ["b.png", PNG.subarray(0, 40)], ["c.png", PNG]);
  await expectCard(page, /b\.png/, /cut off/, /E5002/);
  await page.getByRole("button", { name: "Dismiss" }).click();
  await drop(page, ["x.bin", Buffer.from([1, 2, 3, 250, 0, 9])]);
  await expectCard(page, /Nothing here is known|x\.bin/);
  await goTo(page, "model");
  await page.getByText("21,578").waitFor();
});

test("three images of different size: a crop they do not fill is a card with both sizes", async () => {
  const page = await app.open();
  await openDigits(page);
  const folder = await mkdtemp(join(tmpdir(), "equant-sizes-"));
  await mkdir(folder, { recursive: true });
  const { default: sharp } = await import("sharp");
  const sizes = [28, 40, 12];
  const files = await Promise.all(
    sizes.map(async (side, index) => {
      const image = sharp({ create: { width: side, height: side, channels: 3, background: "#777" } });
      return [`${index}.png`, await image.png().toBuffer()] as [string, Buffer];
    }),
  );
  await writeFile(join(folder, "0.png"), files[0]![1]);
  const recipe = {
    data: { preprocess: { preset: "zero-one", crop: 28 } },
    steps: [{ use: "fold" }, { use: "quantize" }],
  };
  await goTo(page, "start");
  await drop(page, ["recipe.json", Buffer.from(JSON.stringify(recipe))], ...files);
  await page.waitForTimeout(300);
  const alert = page.getByRole("alert", { name: "Error" });
  await goTo(page, "data");
  const reopen = page.getByRole("button", { name: "Open again" });
  await Promise.race([alert.waitFor({ timeout: 15_000 }), reopen.waitFor({ timeout: 15_000 })]);
  if (await reopen.isVisible()) await reopen.click();
  await expectCard(page, /12x12/, /28x28/, /E5003/);
});

test("a worker that runs out of memory: a card in words, everything kept, the next run works", async () => {
  const page = await app.open();
  await openDigits(page);
  await goTo(page, "data");
  await page.getByRole("button", { name: "Use the demo digits" }).click();
  await page.getByText("What the model sees").waitFor();
  await idle(page);
  const worker = page.workers().find((candidate) => /main/.test(candidate.url()))!;
  await goTo(page, "calibrate");
  // With the request itself: calibration of the digits is over before another call could arrive.
  await worker.evaluate(() => {
    const fail = () => {
      throw new RangeError("Array buffer allocation failed");
    };
    addEventListener("message", fail, { once: true, capture: true });
  });
  await page.getByRole("button", { name: "Calibrate", exact: true }).click();
  await expectCard(page, /memory/, /kept/, /E6001/);
  await page.getByRole("button", { name: "Dismiss" }).click();
  await page.getByRole("button", { name: "Calibrate", exact: true }).click();
  await page.getByRole("heading", { name: "Statistics" }).waitFor({ timeout: 30_000 });
  app.forgive(/allocation failed/);
});
