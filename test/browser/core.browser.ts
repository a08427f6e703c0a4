import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  Calibration,
  calibrate,
  cloneModel,
  createRunner,
  digitDataset,
  parseModel,
  prepareModel,
  quantizationRequests,
  quantize,
  serializeModel,
} from "@equant/core/lab";
import { build } from "esbuild";
import * as ort from "onnxruntime-node";
import { chromium } from "playwright-core";
import { expect, test } from "vitest";
import { serve } from "./serve.js";

const root = join(import.meta.dirname, "../..");
const executablePath = process.env.EQUANT_CHROMIUM ?? "/usr/bin/chromium";

test("the core quantizes in Chromium to the same bytes as in Node", { timeout: 120_000 }, async () => {
  expect(existsSync(executablePath), "Chromium is missing: run scripts/install-system.sh").toBe(true);
  const out = join(root, "build/browser");
  await mkdir(out, { recursive: true });
  await build({
    entryPoints: [join(root, "test/browser/page.ts")],
    bundle: true,
    format: "esm",
    platform: "browser",
    conditions: ["source"],
    outfile: join(out, "page.js"),
    logLevel: "silent",
  });
  await writeFile(
    join(out, "index.html"),
    '<!doctype html><title>equant</title><link rel="icon" href="data:,"><script type="module" src="page.js"></script>',
  );

  const runner = createRunner(ort as never, { threads: 1 });
  const bytes = await readFile(join(root, "packages/cli/assets/digits.onnx"));
  const model = parseModel(bytes);
  await prepareModel(model, { runner });
  const requests = quantizationRequests(model, { calibrator: "mse" });
  const calibration = await calibrate(
    cloneModel(model),
    { requests },
    { runner, data: digitDataset({ count: 40, seed: 5 }) },
  );
  await quantize({ calibration, calibrator: "mse", granularity: "per-channel" })(model, { runner });
  const expected = serializeModel(model);

  const { url, server } = await serve({ "/": out, "/ort/": join(root, "node_modules/onnxruntime-web/dist") });
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
  try {
    const page = await browser.newPage();
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    await page.goto(`${url}/index.html`);
    await page.waitForFunction(() => "quantizeInPage" in window);
    const result = await page.evaluate(([model, text]) => window.quantizeInPage(model as number[], text as string), [
      Array.from(bytes),
      calibration.serialize(),
    ] as const);
    expect(complaints).toEqual([]);
    expect(Buffer.compare(Buffer.from(result.bytes), Buffer.from(expected))).toBe(0);
    expect(result.top.every(Number.isFinite)).toBe(true);

    // Measured in the page, ranges agree with those measured in Node.
    const own = Calibration.parse(result.calibration);
    for (const [value, statistics] of calibration.values) {
      const other = own.get(value);
      const range = statistics.max - statistics.min;
      expect(Math.abs(other.max - statistics.max)).toBeLessThanOrEqual(1e-4 * range);
      expect(Math.abs(other.min - statistics.min)).toBeLessThanOrEqual(1e-4 * range);
      expect(other.count).toBe(statistics.count);
    }
  } finally {
    await browser.close();
    server.close();
  }
});
