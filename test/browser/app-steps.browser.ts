import { readFile } from "node:fs/promises";
import { unzipSync } from "fflate";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AppUnderTest, goTo, idle, screenshot, startApp } from "./app.js";

let app: AppUnderTest;
beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.close());

test("equalize on a copy, prune with two scores, go on with the pruned network, take everything along", async () => {
  const page = await app.open();
  await page.getByRole("button", { name: "Run the demo" }).click();
  await page.getByText("Top-1, quantized").waitFor({ timeout: 60_000 });
  await idle(page);

  // An image in both networks, with the output of a layer; the images behind a cell of the confusions.
  await page.keyboard.press("j");
  const worst = page.getByRole("region", { name: "Worst images", exact: true });
  await worst.getByRole("button").first().click();
  const pair = page.getByTestId("two-up");
  await pair.getByText(/^Output of conv_1,/).waitFor();
  expect(await pair.locator("canvas").count()).toBe(4);
  await idle(page);
  await page.locator("[data-cell='3 3']").first().click();
  await page
    .getByTestId("confused")
    .getByText(/images of 3/)
    .waitFor();
  await page.getByTestId("confused").getByRole("button").first().click();
  await idle(page);
  await screenshot(page, "two-up");

  await goTo(page, "equalize");
  await page.getByRole("button", { name: "Preview", exact: true }).click();
  await page.getByText("Channels scaled").waitFor({ timeout: 30_000 });
  await page.locator(".stage .chart-drawing svg").first().waitFor();
  await screenshot(page, "equalize");

  // Two bits lose; the fewest bytes in float that win it back, as one change that one undo takes back.
  await goTo(page, "quantize");
  await page.getByLabel("Weight bits").fill("2");
  await page.getByLabel("Weight bits").press("Enter");
  await page.getByRole("button", { name: "Run the recipe" }).click();
  await idle(page);
  await page.getByTestId("fix").click();
  await page
    .getByTestId("fix-verdict")
    .getByText(/≤ 1 pp: keep \d layers? in float/)
    .waitFor({ timeout: 30_000 });
  await page.getByRole("button", { name: "Find causes and remedies" }).click();
  await page
    .getByText(/Quantized alone it leaves/)
    .first()
    .waitFor({ timeout: 30_000 });
  await idle(page);
  await screenshot(page, "fix-it");
  await page.getByRole("button", { name: "Put it into the recipe" }).click();
  const floats = () =>
    page
      .getByRole("checkbox", { name: /^Quantize / })
      .evaluateAll((boxes) => boxes.filter((box) => !(box as HTMLInputElement).checked).length);
  await expect.poll(floats).toBeGreaterThan(0);
  await page.keyboard.press("Control+z");
  await expect.poll(floats).toBe(0);
  await page.keyboard.press("Control+z");
  await expect.poll(() => page.getByLabel("Weight bits").inputValue()).toBe("");
  await page.getByRole("button", { name: "Run the recipe" }).click();
  await idle(page);

  await goTo(page, "export");
  const waiting = page.waitForEvent("download");
  await page.getByRole("button", { name: "Save digits.session.zip" }).click();
  const files = unzipSync(new Uint8Array(await readFile(await (await waiting).path())));
  expect(Object.keys(files)).toEqual(
    expect.arrayContaining(["digits.int8.onnx", "recipe.json", "report.html", "layers.csv"]),
  );

  await goTo(page, "prune");
  await page.getByLabel("Iterations").fill("4");
  await page.getByLabel("Iterations").press("Enter");
  for (const score of ["magnitude", "synflow"]) {
    await page.getByLabel("Score").selectOption(score);
    await page.getByRole("button", { name: "Prune", exact: true }).click();
    await idle(page);
  }
  await page.getByRole("heading", { name: "Choose" }).waitFor();
  await screenshot(page, "prune");
  const choices = page.locator("section[aria-label=Choose] .row").first().getByRole("button");
  expect(await choices.count()).toBe(4);
  await choices.nth(1).click();
  await idle(page);
  expect(await choices.nth(1).getAttribute("aria-pressed")).toBe("true");
  await page.getByRole("button", { name: "Put it into the recipe" }).click();
  await page.getByText(/the recipe says: prune 30 % of the weights \(synflow\)/).waitFor();
  expect(await page.getByLabel("Prune as a step of the recipe").isChecked()).toBe(true);
  await page.keyboard.press("Control+z");
  await expect.poll(() => page.getByLabel("Prune as a step of the recipe").isChecked()).toBe(false);
  await page.getByRole("button", { name: "Continue with the pruned network" }).click();
  await page.getByText("digits.pruned.onnx").first().waitFor();
  await idle(page);
  await goTo(page, "quantize");
  await page.getByRole("button", { name: "Run the recipe" }).click();
  await page.getByRole("heading", { name: "Steps" }).waitFor({ timeout: 60_000 });
});
