import { afterAll, beforeAll, expect, test } from "vitest";
import { type AppUnderTest, goTo, idle, startApp } from "./app.js";

let app: AppUnderTest;
beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.close());

async function demo(page: Awaited<ReturnType<AppUnderTest["open"]>>): Promise<void> {
  await page.getByRole("button", { name: "Run the demo" }).click();
  await page.getByText("Top-1, quantized").waitFor({ timeout: 60_000 });
  await idle(page);
}

test("after a reload the session is there again: model, data, recipe, runs and figures", async () => {
  const page = await app.open();
  await demo(page);
  const figures = await page.locator(".facts").first().innerText();
  await page.waitForTimeout(1500);
  await page.reload();
  await page.getByText("Top-1, quantized").waitFor({ timeout: 30_000 });
  await idle(page);
  expect(await page.locator(".facts").first().innerText()).toBe(figures);
  await goTo(page, "export");
  await page.getByRole("button", { name: "Save digits.int8.onnx" }).click();
  await page.getByText(/saved: opened again/).waitFor({ timeout: 20_000 });
  await goTo(page, "start");
  await page.getByRole("button", { name: "Forget everything" }).click();
  await page.getByRole("heading", { name: /Make a network small/ }).waitFor();
  await page.waitForTimeout(500);
  expect(await page.getByRole("button", { name: "Forget everything" }).count()).toBe(0);
});

test("works offline after the first visit, and says it never asks another address", async () => {
  const page = await app.open();
  const foreign: string[] = [];
  page.on("request", (request) => {
    if (!/^(blob|data):/.test(request.url()) && !request.url().startsWith(app.url)) foreign.push(request.url());
  });
  await page.evaluate(async () => {
    await navigator.serviceWorker.ready;
    // All files are kept once the largest is.
    for (let i = 0; i < 100; i++) {
      for (const name of await caches.keys()) {
        const kept = await (await caches.open(name)).keys();
        const list = (await (await fetch("./files.json")).json()) as string[];
        if (kept.length >= list.length) return;
      }
      await new Promise((go) => setTimeout(go, 200));
    }
    throw new Error("the cache is not complete after 20 s");
  });
  await page.context().setOffline(true);
  await page.reload();
  await page.getByRole("heading", { level: 1 }).waitFor();
  await demo(page);
  expect(foreign).toEqual([]);
});

test("a host without headers: the service worker isolates the page", async () => {
  const plain = await startApp({ isolated: false });
  try {
    const page = await plain.open();
    await expect
      .poll(() => page.evaluate(() => crossOriginIsolated).catch(() => false), { timeout: 15_000 })
      .toBe(true);
  } finally {
    await plain.close();
  }
});

test("without headers and without a service worker: one thread, and a note that says so", async () => {
  const plain = await startApp({ isolated: false });
  try {
    const page = await plain.open({ serviceWorkers: "block" });
    await demo(page);
    await page.getByText("one thread: slower").waitFor();
  } finally {
    plain.forgive(/service worker/i);
    await plain.close();
  }
});
