import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SCREENS } from "../../packages/app/src/state/screens.js";
import { type AppUnderTest, idle, screenshot, startApp } from "./app.js";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
let app: AppUnderTest;
beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.close());

interface Violation {
  id: string;
  impact: string | null;
  nodes: { html: string; failureSummary?: string }[];
}

/** Serious and critical violations of WCAG 2.2 AA and best practice on the page as it is. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axeSource);
  const found = await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run: (root: Document) => Promise<{ violations: Violation[] }> } };
    return (await axe.run(document)).violations;
  });
  return found
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes[0]!.html.slice(0, 160)} ${nodes[0]!.failureSummary ?? ""}`);
}

/** Runs the demo with the keyboard alone: a shortcut for the palette, words, Enter. */
async function demoByKeyboard(page: Page): Promise<void> {
  await page.keyboard.press("Control+k");
  await page.keyboard.type("run the digits");
  await page.keyboard.press("Enter");
  await page.getByText("Top-1, quantized").waitFor({ timeout: 60_000 });
  await idle(page);
}

test("the whole path with the keyboard alone", async () => {
  const page = await app.open();
  // This Chromium has no graphics card: said, and everything runs all the same.
  await page.keyboard.press("Control+k");
  await page.keyboard.type("webgpu");
  await page.keyboard.press("Enter");
  await expect
    .poll(() => page.getByTestId("provider").getAttribute("title"))
    .toMatch(/^WebGPU cannot be had: .+ on the/);
  await demoByKeyboard(page);
  const heading = () => page.getByRole("heading", { level: 1 }).textContent();
  for (const { key, title, id } of SCREENS.slice(1)) {
    await page.keyboard.press(key);
    await expect.poll(heading).toBe(title);
    expect(await page.evaluate(() => location.hash.split("?")[0])).toBe(`#/${id}`);
  }
  // The table: choose the third layer, leave it in float, undo, do again.
  await page.keyboard.press("g");
  await page.keyboard.press("t");
  await expect.poll(() => page.evaluate(() => document.activeElement?.id)).toBe("layer-grid");
  for (let i = 0; i < 3; i++) await page.keyboard.press("ArrowDown");
  await expect
    .poll(() => page.getByRole("complementary", { name: "Inspector" }).getByRole("heading").first().textContent())
    .toBe("conv_3");
  await page.keyboard.press("ArrowRight");
  await expect.poll(() => page.getByRole("row", { name: /Weights/, level: 2 } as never).count()).toBeGreaterThan(0);
  await page.keyboard.press("Space");
  const ticked = () => page.getByRole("checkbox", { name: "Quantize conv_3" }).isChecked();
  await expect.poll(ticked).toBe(false);
  await page.keyboard.press("Control+z");
  await expect.poll(ticked).toBe(true);
  await page.keyboard.press("Control+y");
  await expect.poll(ticked).toBe(false);
  // The changed recipe is a second run, and both are compared.
  await page.keyboard.press(".");
  await page.getByText("Run the recipe").waitFor();
  await expect
    .poll(() => page.getByRole("button", { name: /^Runs/ }).textContent(), { timeout: 60_000 })
    .toBe("Runs 2");
  await idle(page);
  await page.keyboard.press("8");
  await page.getByRole("heading", { name: "Size and quality" }).waitFor();
  await page.getByText("quantize.exclude").waitFor();
  await screenshot(page, "compare");
  // Search reaches the filter, and typing there is no shortcut.
  await page.keyboard.press("/");
  await page.keyboard.type("fc 5");
  await expect.poll(heading).toBe("Compare");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: /^Layers/ }).focus();
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
  expect(await violations(page)).toEqual([]);
  // Another key for the next layer, by keyboard; it is kept after a reload, and the old one does nothing.
  await page.getByRole("button", { name: "Change the key of Next layer" }).focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("n");
  await page.getByRole("button", { name: "Change the key of Next layer" }).waitFor();
  await screenshot(page, "keys");
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  await page.waitForTimeout(1000);
  await page.reload();
  await page.getByRole("heading", { name: "Size and quality" }).waitFor({ timeout: 30_000 });
  await idle(page);
  const inspected = () => page.getByRole("complementary", { name: "Inspector" }).count();
  await page.evaluate(() => (document.activeElement as HTMLElement).blur());
  await page.getByRole("button", { name: "Close the inspector" }).click();
  await page.keyboard.press("j");
  await page.waitForTimeout(200);
  expect(await inspected()).toBe(0);
  await page.keyboard.press("n");
  await expect.poll(inspected).toBe(1);
});

test.each(["light", "dark"] as const)(
  "every screen in %s has no serious violation of accessibility",
  async (colorScheme) => {
    const page = await app.open({ colorScheme });
    expect(await page.evaluate(() => document.documentElement.dataset.theme)).toBe(colorScheme);
    expect(await violations(page)).toEqual([]);
    await demoByKeyboard(page);
    await page.keyboard.press("j");
    const all: Record<string, string[]> = {};
    for (const { id, key, title } of SCREENS) {
      await page.keyboard.press(key);
      await page.getByRole("heading", { level: 1 }).waitFor();
      if (title !== "Start") await expect.poll(() => page.getByRole("heading", { level: 1 }).textContent()).toBe(title);
      await page.waitForTimeout(700);
      await screenshot(page, `${colorScheme}-${id}`);
      const found = await violations(page);
      if (found.length > 0) all[title] = found;
    }
    expect(all).toEqual({});
  },
);

test("320 px wide: nothing but the graph and tables scrolls sideways", async () => {
  const page = await app.open({ viewport: { width: 320, height: 640 } });
  await demoByKeyboard(page);
  for (const { id, key } of SCREENS) {
    await page.keyboard.press(key);
    await page.waitForTimeout(500);
    await screenshot(page, `narrow-${id}`);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(width, id).toBeLessThanOrEqual(320);
    const small = await page.evaluate(() =>
      // Checkboxes are smaller but stand alone in rows of 30 px: the exception of spacing.
      [...document.querySelectorAll<HTMLElement>("button, select, input:not([type=file], [type=checkbox])")]
        .filter((element) => element.checkVisibility() && !element.closest(".eq-graph"))
        .filter((element) => element.getBoundingClientRect().height < 24 && !element.closest("label"))
        .map((element) => element.outerHTML.slice(0, 120)),
    );
    expect(small, `targets under 24 px on ${id}`).toEqual([]);
  }
});
