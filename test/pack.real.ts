import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createAppServer } from "../packages/cli/src/commands/app-server.js";
import { serve } from "./browser/serve.js";

const root = join(import.meta.dirname, "..");
const PACKAGES = ["core", "report", "cluster", "cli"] as const;
/** Raised only in the commit that makes a tarball larger, with the reason. */
const CEILING_BYTES = { core: 1_500_000, report: 600_000, cluster: 40_000, cli: 6_000_000 };

/** What npm is told in a project of a stranger: nothing of ours, and no CUDA libraries for onnxruntime-node. */
const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: "skip", npm_config_yes: "true", NODE_ENV: "" };
const run = (cwd: string, command: string, ...args: string[]) =>
  execFileSync(command, args, { cwd, encoding: "utf8", env, stdio: ["ignore", "pipe", "pipe"] });

const folder = mkdtempSync(join(tmpdir(), "equant-pack-"));
afterAll(() => rmSync(folder, { recursive: true }));
const tarballs = {} as Record<(typeof PACKAGES)[number], { path: string; files: Set<string> }>;

beforeAll(() => {
  for (const name of PACKAGES) {
    const text = run(join(root, "packages", name), "npm", "pack", "--json", "--silent", "--pack-destination", folder);
    const [pack] = JSON.parse(text) as [{ filename: string; files: { path: string }[] }];
    tarballs[name] = { path: join(folder, pack.filename), files: new Set(pack.files.map(({ path }) => path)) };
  }
});

describe.each(PACKAGES)("@equant/%s as published", (name) => {
  test("holds a licence and a README, and is not too large", () => {
    for (const path of ["LICENSE", "README.md", "package.json"]) expect(tarballs[name].files, path).toContain(path);
    expect(readFileSync(join(root, "packages", name, "LICENSE"), "utf8")).toBe(
      readFileSync(join(root, "LICENSE"), "utf8"),
    );
    expect(statSync(tarballs[name].path).size).toBeLessThan(CEILING_BYTES[name]);
  });

  test("says where it comes from, and takes later versions of what it needs", () => {
    const read = (path: string) => JSON.parse(readFileSync(join(root, path), "utf8"));
    const own = read(`packages/${name}/package.json`);
    const whole = read("package.json");
    expect(own.repository).toEqual({ ...whole.repository, directory: `packages/${name}` });
    expect(own).toMatchObject({ homepage: whole.homepage, version: whole.version, license: whole.license });
    expect(own.keywords.length).toBeGreaterThan(3);
    expect(own.sideEffects).toBeDefined();
    for (const [dependency, range] of Object.entries(own.dependencies)) expect(range, dependency).toMatch(/^\^\d/);
  });

  test("publint and attw find nothing", () => {
    const bin = (tool: string) => join(root, "node_modules/.bin", tool);
    expect(run(root, bin("publint"), "--strict", tarballs[name].path)).toContain("All good");
    // esm-only: Node 16 resolution from ES modules, and bundlers. What requires a package gets it through Node's own require(esm).
    const report = run(root, bin("attw"), tarballs[name].path, "--profile", "esm-only", "--no-color", "--no-emoji");
    expect(report).toContain("OK (ESM)");
  });
});

test("the packed command holds the whole built app, the demo's network, and serves both", async () => {
  const { files } = tarballs.cli;
  const built = readdirSync(join(root, "packages/app/dist"), { recursive: true, withFileTypes: true })
    // The runtime with WebGPU is left out: it is larger than the whole package.
    .filter((entry) => entry.isFile() && !entry.name.includes(".asyncify."))
    .map((entry) => join("app", entry.parentPath.split("app/dist")[1]!, entry.name));
  expect(built.length).toBeGreaterThan(10);
  expect(built.filter((path) => !files.has(path))).toEqual([]);
  for (const path of ["assets/digits.onnx", "bin/equant.js", "dist/commands/app-server.js"])
    expect(files, path).toContain(path);

  // As installed: nothing of the workspace around it.
  cpSync(join(root, "packages/cli/app"), join(folder, "app"), { recursive: true });
  const server = createAppServer(join(folder, "app"));
  onTestFinished(() => void server.close());
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const { port } = server.address() as { port: number };
  const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
  const page = await get("/");
  expect(page.headers.get("Cross-Origin-Opener-Policy")).toBe("same-origin");
  expect(await page.text()).toContain("<title>equant</title>");
  expect((await get("/open.html")).headers.get("Cross-Origin-Opener-Policy")).toBe("unsafe-none");
  expect((await get("/ort/ort-wasm-simd-threaded.wasm")).headers.get("Content-Type")).toBe("application/wasm");
  expect((await get("/../package.json")).status).toBe(404);
});

const LIBRARY = `
import { readFile, writeFile } from "node:fs/promises";
import { compress, createRunner, digitDataset, inspectModel, parseModel } from "@equant/core";
import { readModel } from "@equant/core/node";
import { readReport } from "@equant/report";
import { renderReport } from "@equant/report/node";
import * as ort from "onnxruntime-node";

const path: string = "node_modules/@equant/cli/assets/digits.onnx";
const model = parseModel(await readFile(path));
const { parameters } = await inspectModel(await readModel(path));
const { bytes } = await compress(model, {}, { runner: createRunner(ort, { threads: 1 }), data: digitDataset({ count: 40, seed: 1 }) });
const report = readReport(await readFile("demo/report.json", "utf8"));
await writeFile("report.html", renderReport(report));
console.log(JSON.stringify({ parameters, before: (await readFile(path)).length, after: bytes.length }));
`;

const PAGE = `
import { inspectModel, parseModel } from "@equant/core";
const model = parseModel(new Uint8Array(await (await fetch("digits.onnx")).arrayBuffer()));
document.title = String((await inspectModel(model)).parameters);
`;

/** The strictest reading of the published types: libraries are checked too. */
const TYPES = {
  strict: true,
  noEmit: true,
  types: ["node"],
  skipLibCheck: false,
  lib: ["ES2023", "DOM"],
  target: "ES2023",
};

describe.each(["10", "11"])("in an empty project, installed by npm %s", (npm) => {
  const project = join(folder, `npm${npm}`);
  beforeAll(() => {
    mkdirSync(project);
    writeFileSync(join(project, "package.json"), JSON.stringify({ name: "stranger", private: true, type: "module" }));
    const { devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const types = `@types/node@${devDependencies["@types/node"]}`;
    const own = PACKAGES.map((name) => tarballs[name].path);
    run(project, "npx", `npm@${npm}`, "install", "--prefer-offline", "--no-audit", "--no-fund", types, ...own);
  });

  test("the command and the library run", () => {
    expect(run(project, "npx", "equant", "--version")).toContain("0.");
    run(project, "npx", "equant", "demo", "--out", "demo", "--quiet");
    writeFileSync(join(project, "library.ts"), LIBRARY);
    writeFileSync(join(project, "library.mjs"), LIBRARY.replace("path: string", "path"));
    const { parameters, before, after } = JSON.parse(run(project, process.execPath, "library.mjs"));
    expect(parameters).toBeGreaterThan(10_000);
    expect(after).toBeLessThan(0.4 * before);
    expect(readFileSync(join(project, "report.html"), "utf8")).toContain("<svg");
  });

  test.each([
    ["node16", "Node16"],
    ["bundler", "ESNext"],
  ])("types resolve under %s", (moduleResolution, module) => {
    writeFileSync(join(project, "library.ts"), LIBRARY);
    writeFileSync(
      join(project, "tsconfig.json"),
      JSON.stringify({ compilerOptions: { ...TYPES, module, moduleResolution }, files: ["library.ts"] }),
    );
    const tsc = spawnSync(join(root, "node_modules/.bin/tsc"), ["-p", "."], { cwd: project, encoding: "utf8" });
    // Plot's own declarations name d3's, which it does not bring.
    const wrong = tsc.stdout.split("\n").filter((line) => /error TS/.test(line) && !line.includes("@observablehq"));
    expect(wrong).toEqual([]);
    expect(tsc.stderr).toBe("");
  });
});

test("a page that Vite builds from the installed packages opens a model in Chromium", async () => {
  const project = join(folder, "npm11");
  mkdirSync(join(project, "public"));
  cpSync(join(project, "node_modules/@equant/cli/assets/digits.onnx"), join(project, "public/digits.onnx"));
  writeFileSync(join(project, "page.js"), PAGE);
  writeFileSync(
    join(project, "index.html"),
    '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>',
  );
  run(project, join(root, "node_modules/.bin/vite"), "build", "--logLevel", "warn", "--target", "es2023");
  const { url, server } = await serve({ "/": join(project, "dist") });
  onTestFinished(() => void server.close());
  const executablePath = process.env.EQUANT_CHROMIUM ?? "/usr/bin/chromium";
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
  onTestFinished(() => browser.close());
  const page = await browser.newPage();
  await page.goto(url);
  await page.waitForFunction(() => Number(document.title) > 10_000);
});
