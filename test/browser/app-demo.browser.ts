import { afterAll, beforeAll, expect, test } from "vitest";
import { type AppUnderTest, idle, screenshot, startApp } from "./app.js";

let app: AppUnderTest;
beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.close());

test("one click runs the demo to a verified integer model, within 15 s", async () => {
  const page = await app.open();
  await screenshot(page, "start");
  const started = Date.now();
  await page.getByRole("button", { name: "Run the demo" }).click();
  await page.getByTestId("verdict").waitFor({ timeout: 60_000 });
  await page.getByText("Top-1, quantized").waitFor({ timeout: 60_000 });
  await idle(page);
  const seconds = (Date.now() - started) / 1000;
  process.env.EQUANT_FIGURES && process.stdout.write(`demo ${seconds.toFixed(1)} s\n`);
  await screenshot(page, "validate");
  expect(seconds).toBeLessThan(15);
});
