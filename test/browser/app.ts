import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import type { Server } from "node:http";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { expect } from "vitest";
import type { ScreenId } from "../../packages/app/src/state/screens.js";
import { listening, serve } from "./serve.js";

const root = join(import.meta.dirname, "../..");
const dist = join(root, "packages/app/dist");
export const SCREENSHOTS = join(root, "build/screens");
const executablePath = process.env.EQUANT_CHROMIUM ?? "/usr/bin/chromium";

/** The built app on loopback in a real Chromium. */
export interface AppUnderTest {
  readonly url: string;
  readonly browser: Browser;
  /** A fresh profile; errors in its console fail the test at {@link close}. */
  open(options?: BrowserContextOptions & { path?: string }): Promise<Page>;
  close(): Promise<void>;
  /** Errors of the console that belong to the test. */
  forgive(pattern: RegExp): void;
}

export async function startApp({
  routes,
  args = [],
  server: served,
  ...options
}: {
  isolated?: boolean;
  routes?: Record<string, string>;
  /** More of Chromium's arguments. */
  args?: readonly string[];
  /** What serves the built app instead. */
  server?: (folder: string) => Server;
} = {}): Promise<AppUnderTest> {
  expect(existsSync(executablePath), "Chromium is missing: run scripts/install-system.sh").toBe(true);
  if (!existsSync(join(dist, "index.html"))) execFileSync("npm", ["run", "build", "-w", "@equant/app"], { cwd: root });
  mkdirSync(SCREENSHOTS, { recursive: true });
  const { url, server } = served ? await listening(served(dist)) : await serve({ "/": dist, ...routes }, options);
  const browser = await chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", "--enable-precise-memory-info", ...args],
  });
  const complaints: string[] = [];
  const forgiven: RegExp[] = [];
  return {
    forgive: (pattern) => void forgiven.push(pattern),
    url,
    browser,
    async open({ path = "/", ...context } = {}) {
      const opened = await browser.newContext({
        acceptDownloads: true,
        viewport: { width: 1280, height: 800 },
        ...context,
      });
      const page = await opened.newPage();
      page.on("pageerror", (error) => complaints.push(String(error)));
      page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
      await page.goto(url + path);
      await page.getByRole("heading", { level: 1 }).waitFor();
      return page;
    },
    async close() {
      await browser.close();
      server.close();
      expect(complaints.filter((text) => !forgiven.some((pattern) => pattern.test(text)))).toEqual([]);
    },
  };
}

/** Waits until nothing runs. */
export async function idle(page: Page, timeout = 60_000): Promise<void> {
  await page.waitForFunction(() => !document.querySelector("[data-testid=progress]"), undefined, { timeout });
}

export async function screenshot(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
}

/** Chooses a step in the rail. */
export async function goTo(page: Page, screen: ScreenId): Promise<void> {
  await page.locator(`.rail a[href="#/${screen}"]`).click();
}

/**
 * A bar in ms or s as a test holds it: four times as long, and more where other processes share the cores. The figures themselves
 * are printed; a busy machine must not fail a build.
 */
export function stretched(bar: number): number {
  return 4 * bar * Math.max(1, loadavg()[0]! / cpus().length);
}
