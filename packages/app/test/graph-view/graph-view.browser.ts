import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { build } from "vite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { serve } from "../../../../test/browser/serve.js";
import type { GraphPage } from "./page/page.js";

declare global {
  interface Window {
    graphPage: GraphPage;
  }
}

const root = join(import.meta.dirname, "../../../..");
const executablePath = process.env.EQUANT_CHROMIUM ?? "/usr/bin/chromium";
const out = join(root, "build/graph-view");
const screens = join(root, "build/screens");
let browser: Browser;
let page: Page;
let stop: () => void;
const complaints: string[] = [];

beforeAll(async () => {
  expect(existsSync(executablePath), "Chromium is missing: run scripts/install-system.sh").toBe(true);
  await mkdir(screens, { recursive: true });
  await build({
    root: join(import.meta.dirname, "page"),
    base: "./",
    configFile: false,
    logLevel: "silent",
    worker: { format: "es" },
    build: { outDir: out, emptyOutDir: true },
  });
  const { url, server } = await serve({ "/": out });
  stop = () => server.close();
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
  page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  await page.goto(`${url}/index.html`);
  await settled();
});

afterAll(async () => {
  await browser?.close();
  stop?.();
});

/** The layout is there, the camera has come to rest, and the hidden nodes have followed. */
async function settled(): Promise<void> {
  await page.waitForFunction(() => document.querySelector<HTMLElement>(".eq-graph-busy")?.hidden === true);
  await page.waitForTimeout(450);
}

const shot = (name: string) => page.screenshot({ path: join(screens, `graph-${name}.png`) });

test("mounts, folds and shows a network, light and dark", async () => {
  await page.evaluate(() => {
    const { graph, overlay, networks } = window.graphPage;
    graph.value = networks.transformer(48);
    overlay.value = { metric: "sqnr", basis: "predicted" };
  });
  await settled();
  await page.evaluate(() => window.graphPage.view.fit());
  await settled();
  await shot("blocks-light");
  expect(complaints).toEqual([]);
});
