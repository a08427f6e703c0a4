/**
 * A newcomer's walk through the built app: the demo from the first screen until the worst layer and the reason can be read, then every
 * screen, light, dark and narrow. Pictures go to build/walk; people look at them. Run after `npm run build`.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { appFolder, createAppServer } from "../packages/cli/dist/commands/app-server.js";

const out = join(import.meta.dirname, "../build/walk");
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

const SCREENS = [
  "start",
  "model",
  "data",
  "calibrate",
  "equalize",
  "prune",
  "quantize",
  "validate",
  "compare",
  "export",
];
const LOOKS = [
  { name: "light", colorScheme: "light", viewport: { width: 1280, height: 800 } },
  { name: "dark", colorScheme: "dark", viewport: { width: 1280, height: 800 } },
  { name: "narrow", colorScheme: "light", viewport: { width: 320, height: 700 } },
];

const server = createAppServer(appFolder());
await new Promise((ready) => server.listen(0, "127.0.0.1", () => ready(undefined)));
const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
const url = `http://127.0.0.1:${port}`;
const browser = await chromium.launch({
  executablePath: process.env.EQUANT_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});
const idle = (page) => page.waitForFunction(() => !document.querySelector("[data-testid=progress]"));

/** What a newcomer sees, stop by stop. */
async function newcomer() {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  let stop = 0;
  const look = async (name) => page.screenshot({ path: join(out, `${++stop}-${name}.png`) });
  await page.goto(url);
  await page.getByRole("heading", { level: 1 }).waitFor();
  await look("start");
  await page.getByRole("button", { name: "Run the demo" }).click();
  for (const title of ["Calibrate", "Quantize", "Validate"]) {
    await page.getByRole("heading", { level: 1, name: title }).waitFor({ timeout: 60_000 });
    await page.waitForTimeout(300);
    await look(title.toLowerCase());
  }
  await page.getByTestId("verdict").waitFor({ timeout: 60_000 });
  await idle(page);
  await page.locator(".chart-drawing svg").first().waitFor();
  await look("verdict");
  await page.getByTestId("verdict").getByRole("button", { name: "Show the layer" }).click();
  await page.locator(".inspector .chart-drawing svg").first().waitFor();
  await page.waitForTimeout(500);
  await look("worst-layer");
  // The demo that goes wrong: who is to blame, why, and the repair that the page names.
  await page.locator('.rail a[href="#/start"]').click();
  await page.getByRole("button", { name: "Break it" }).click();
  await page
    .getByTestId("verdict")
    .getByText(/points of accuracy/)
    .waitFor({ timeout: 60_000 });
  await idle(page);
  await page.waitForTimeout(800);
  await look("broken-verdict");
  await page.getByTestId("verdict").getByRole("button", { name: "Show the layer" }).click();
  await page.waitForTimeout(1500);
  await look("broken-layer");
  await page.getByRole("button", { name: "Equalize its channels and run again" }).click();
  await page.getByText(/No harm shows/).waitFor({ timeout: 60_000 });
  await idle(page);
  await page.waitForTimeout(800);
  await look("repaired");
  await page.close();
}

/** Every screen after the demo. */
async function every({ name, ...options }) {
  const page = await browser.newPage(options);
  await page.goto(`${url}/?demo=digits`);
  await page.getByText("Top-1, quantized").waitFor({ timeout: 60_000 });
  await idle(page);
  for (const screen of SCREENS) {
    await page.locator(`.rail a[href="#/${screen}"]`).click();
    await page.waitForTimeout(900);
    // The stage scrolls by itself: one tall picture shows all of it.
    const height = await page.evaluate(() => {
      const stage = document.querySelector(".stage");
      return Math.max(document.documentElement.scrollHeight, innerHeight + stage.scrollHeight - stage.clientHeight);
    });
    await page.setViewportSize({
      ...options.viewport,
      height: Math.min(9000, Math.max(options.viewport.height, height)),
    });
    await page.waitForTimeout(600);
    await page.screenshot({ path: join(out, `${name}-${screen}.png`) });
    await page.setViewportSize(options.viewport);
  }
  await page.close();
}

try {
  await newcomer();
  if (!process.argv.includes("--short")) for (const look of LOOKS) await every(look);
} finally {
  await browser.close();
  server.closeAllConnections();
  server.close();
}
