import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { serve } from "./serve.js";

const root = join(import.meta.dirname, "../..");
const site = join(root, "build/site");
const executablePath = process.env.EQUANT_CHROMIUM ?? "/usr/bin/chromium";
let browser: Browser | undefined;
let url: string;
let close: (() => void) | undefined;
const complaints: string[] = [];

beforeAll(async () => {
  expect(existsSync(executablePath), "Chromium is missing: run scripts/install-system.sh").toBe(true);
  execFileSync(process.execPath, [join(root, "scripts/build-docs.mjs")], {
    cwd: root,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const served = await serve({ "/": site });
  url = served.url;
  close = () => served.server.close();
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
});
afterAll(async () => {
  await browser?.close();
  close?.();
});

async function open(path: string): Promise<Page> {
  const page = await (await browser!.newContext()).newPage();
  page.on("pageerror", (error) => complaints.push(`${path}: ${error}`));
  page.on("console", (message) => message.type() === "error" && complaints.push(`${path}: ${message.text()}`));
  await page.goto(url + path);
  return page;
}

test("every link and every anchor of every page leads somewhere", () => {
  const pages = readdirSync(site, { recursive: true, withFileTypes: true })
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => file.endsWith(".html") && !relative(site, file).startsWith("app"));
  expect(pages.length).toBeGreaterThan(100);
  const anchors = new Map<string, Set<string>>();
  const anchorsOf = (file: string) => {
    const known = anchors.get(file);
    if (known) return known;
    const found = readFileSync(file, "utf8").matchAll(/ id="([^"]+)"/g);
    const ids = new Set([...found].map((match) => match[1]!));
    anchors.set(file, ids);
    return ids;
  };
  const dead = new Set<string>();
  for (const file of pages) {
    for (const [, href] of readFileSync(file, "utf8").matchAll(/ (?:href|src)="([^"]+)"/g)) {
      if (/^(?:[a-z]+:|\/\/)/.test(href!)) continue;
      const [path, anchor] = decodeURI(href!).split("#") as [string, string?];
      let target = path === "" ? file : path.startsWith("/") ? join(site, path) : join(dirname(file), path);
      if (target.endsWith("/") || (existsSync(target) && statSync(target).isDirectory()))
        target = join(target, "index.html");
      const found = existsSync(target);
      const known = anchor === undefined || anchor === "" || !target.endsWith(".html") || target.includes("/app/");
      if (!found || !(known || anchorsOf(target).has(anchor))) dead.add(`${relative(site, file)} → ${href}`);
    }
  }
  expect([...dead].slice(0, 20)).toEqual([]);
});

test("a visitor gets from the start to a guide, and finds a word", async () => {
  const page = await open("/");
  await page.getByRole("link", { name: "Compress your first model" }).click();
  await page.getByRole("heading", { level: 1, name: "Your first model" }).waitFor();
  await page.getByRole("button", { name: "Search" }).first().click();
  await page.getByRole("searchbox").fill("cross-layer dead channels");
  await page.getByRole("option").first().waitFor();
  await page.keyboard.press("Enter");
  await page.waitForURL((address) => address.pathname !== "/guides/start.html");
  expect(complaints).toEqual([]);
});

test("the reference names the entrances of the library", async () => {
  const page = await open("/reference/index.html");
  for (const name of ["@equant/core", "@equant/core/node", "@equant/report"])
    await page.getByRole("link", { name, exact: true }).first().waitFor();
  expect(complaints).toEqual([]);
});

test("the app under /app runs its demo", async () => {
  const page = await open("/");
  await page.getByRole("link", { name: "App", exact: true }).first().click();
  await page.getByRole("button", { name: "Run the demo" }).click();
  await page.getByText("Top-1, quantized").waitFor({ timeout: 120_000 });
  await page.locator(".chart-drawing svg").first().waitFor({ timeout: 60_000 });
  expect(complaints).toEqual([]);
});
