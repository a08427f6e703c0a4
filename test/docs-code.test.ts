import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import * as core from "@equant/core";
import * as lab from "@equant/core/lab";
import * as coreNode from "@equant/core/node";
import * as report from "@equant/report";
import * as reportNode from "@equant/report/node";
import { transform as withoutTypes } from "esbuild";
import * as ort from "onnxruntime-node";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as cli from "../packages/cli/src/main.js";
import { equant } from "../packages/cli/test/helpers/run.js";
import { calibrate } from "../packages/core/src/calibrate/index.js";
import { ensureBiases } from "../packages/core/src/correct/index.js";
import { digitDataset } from "../packages/core/src/data/index.js";
import { cloneModel, int, ints, type Model, parseModel, serializeModel } from "../packages/core/src/graph/index.js";
import * as metrics from "../packages/core/src/metrics/index.js";
import { applyQdq, planQuantization, quantizationRequests } from "../packages/core/src/quantize/index.js";
import { observeShapes, zeroFeeds } from "../packages/core/src/runtime/index.js";
import { prepareModel } from "../packages/core/src/steps/index.js";
import { testModel } from "../packages/core/test/helpers/build.js";
import { fixtureReport } from "../packages/report/test/fixture.js";

const root = join(import.meta.dirname, "..");
const DIGITS = join(root, "packages/cli/assets/digits.onnx");

/** What a block may import. */
const MODULES: Readonly<Record<string, object>> = {
  "@equant/core": core,
  "@equant/core/lab": lab,
  "@equant/core/node": coreNode,
  "@equant/report": report,
  "@equant/report/node": reportNode,
  "@equant/cli": cli,
  "node:fs/promises": await import("node:fs/promises"),
  "onnxruntime-node": ort,
  sharp: { default: sharp },
};

interface Block {
  readonly page: string;
  readonly language: string;
  readonly code: string;
  readonly line: number;
}

function blocksOf(page: string): Block[] {
  const text = readFileSync(join(root, page), "utf8");
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```/gm)].map((match) => ({
    page,
    language: match[1]!,
    code: match[2]!,
    line: text.slice(0, match.index).split("\n").length,
  }));
}

const pages = [
  "README.md",
  "CONTRIBUTING.md",
  ...["core", "report", "cluster", "cli"].map((name) => `packages/${name}/README.md`),
  ...readdirSync(join(root, "docs"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.name.endsWith(".md"))
    .map((entry) => relative(root, join(entry.parentPath, entry.name))),
];
const blocks = pages.flatMap(blocksOf);
const named = (languages: readonly string[], one: (block: Block) => boolean = () => true) =>
  blocks
    .filter((block) => languages.includes(block.language) && one(block))
    .map((block) => [`${block.page}:${block.line}`, block] as const);

/** Needs a page of the app around it (test/browser and packages/app/test/graph-view mount it), or a package that is not here. */
const ELSEWHERE = ["./graph-view/index.js", "window.open", "@huggingface/transformers"];

let folder: string;
let home: string;
beforeAll(async () => {
  home = process.cwd();
  folder = mkdtempSync(join(tmpdir(), "equant-docs-"));
  for (const name of ["images", "photos/cat", "out"]) mkdirSync(join(folder, name), { recursive: true });
  const picture = (seed: number) =>
    sharp(
      Uint8Array.from({ length: 32 * 32 * 3 }, (_, i) => (i * seed * 37) % 251),
      { raw: { width: 32, height: 32, channels: 3 } },
    )
      .png()
      .toBuffer();
  for (const seed of [1, 2, 3, 4]) {
    writeFileSync(join(folder, `images/${seed}.png`), await picture(seed));
    writeFileSync(join(folder, `photos/cat/${seed}.png`), await picture(seed));
  }
  const photos = serializeModel(photoNetwork());
  writeFileSync(join(folder, "out/report.json"), JSON.stringify(fixtureReport()));
  for (const name of ["model.onnx", "big.onnx"]) writeFileSync(join(folder, name), photos);
  process.chdir(folder);
});
afterAll(() => {
  process.chdir(home);
  rmSync(folder, { recursive: true });
});

/** A small network for photos of 224 × 224 pixels. */
function photoNetwork(): Model {
  const { model, builder, random } = testModel(1);
  const input = builder.input("input", [1, 3, 224, 224]);
  const conv = builder.node(
    "Conv",
    [input, random([8, 3, 3, 3], "w", 0.3)],
    { strides: ints([8, 8]) },
    { name: "conv" },
  );
  const pooled = builder.node("GlobalAveragePool", [builder.node("Relu", [conv])]);
  builder.output(builder.node("Gemm", [builder.node("Flatten", [pooled]), random([8, 4], "fc")]), "float32", [1, 4]);
  return model;
}

/** Two convolutions that are added, a third behind them, and a number, `loss`. */
function sumNetwork(): Model {
  const { model, builder, random } = testModel(2);
  const input = builder.input("input", [1, 3, 8, 8]);
  const conv = (data: string, name: string, channels: number) => {
    const weight = random([8, channels, 3, 3], `${name}.weight`, 0.3);
    return builder.node("Conv", [data, weight], {}, { name });
  };
  const sum = builder.node("Add", [conv(input, "conv1", 3), conv(input, "conv2", 3)], {}, { name: "add_out" });
  const out = conv(builder.node("Relu", [sum]), "conv3", 8);
  builder.output(out, "float32", [1, 8, 4, 4]);
  const loss = builder.nodes("ReduceMean", [out], { keepdims: int(0) });
  model.graph.nodes[model.graph.nodes.indexOf(loss)] = { ...loss, outputs: ["loss"] };
  builder.output("loss", "float32", []);
  return model;
}

/** What a page calls `model`, `dataset` and so on: the digit network and its images, new for every block. */
async function world(code: string): Promise<Record<string, unknown>> {
  const runner = core.createRunner(ort as never, { threads: 1 });
  const dataset = digitDataset({ count: 24, seed: 3 });
  const context = { runner, data: dataset };
  const network = parseModel(readFileSync(DIGITS));
  const floatModel = cloneModel(network);
  await prepareModel(floatModel, context);
  ensureBiases(floatModel);
  const requests = quantizationRequests(floatModel, {});
  const calibration = await calibrate(floatModel, { requests }, context);
  const quantized = cloneModel(floatModel);
  const planOfQuantized = planQuantization(quantized, calibration, {});
  applyQdq(quantized, planOfQuantized);
  const digits = cloneModel(floatModel);
  let plan = planQuantization(digits, calibration, {});
  let model = /conv1(\.weight|: \[)/.test(code) ? sumNetwork() : digits;
  // Pages about what corrects a quantized network call that one `model`.
  if (/floatModel, plan/.test(code) && !code.includes("applyQdq")) [model, plan] = [quantized, planOfQuantized];
  const sqnr = code.includes("sqnr: report") ? await core.measureSqnr(model, { plan }, context) : undefined;
  const identity = { path: "digits.onnx", sha256: "0".repeat(64), bytes: 1 };
  const shapes = await observeShapes(model, zeroFeeds(model), { runner });
  return {
    ...{
      runner,
      context,
      network,
      model,
      floatModel,
      dataset,
      data: dataset,
      calibration,
      plan,
      shapes,
      options: {},
      quantize: {},
    },
    ...{
      identity,
      tool: { name: "equant", version: "0.1.0" },
      recipe: [{ use: "quantize" }],
      file: quantized,
      float: floatModel,
      report: sqnr,
    },
    ...{ candidate: quantized, baseline: network },
    // Measures of answers have no entrance of their own yet; their page calls them by name.
    ...{ ...metrics, images: 1, truth: [], found: [] },
    ...{ feeds: zeroFeeds(model), signal: undefined, console: { log() {} }, onTrial() {}, onProgress() {} },
  };
}

/** What takes minutes on a page takes seconds here. */
const SHORTER: readonly (readonly [RegExp, string])[] = [
  [/epochs: 10/, "epochs: 1"],
  [/digitDataset\(DIGIT_SPLIT\.\w+\)/g, "digitDataset({ count: 20, seed: 1 })"],
  [/trials: 24/, "trials: 2"],
  [/plan, calibration \}\)/, "plan, calibration, rows: 256, iterations: 20 })"],
  [/steps: 10/, "steps: 2"],
];

const AsyncFunction = (async () => {}).constructor as new (
  ...code: string[]
) => (...values: unknown[]) => Promise<void>;

/** Runs a block as the body of a function: imports come from {@link MODULES}, names it does not declare from {@link world}. */
async function run({ code, page }: Block, given: Record<string, unknown>): Promise<void> {
  const short = SHORTER.reduce((text, [long, brief]) => text.replace(long, brief), code);
  const { code: plain } = await withoutTypes(short, {
    loader: "ts",
    format: "esm",
    tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
  });
  const body = plain
    .replace(/import \* as (\w+) from "([^"]+)";/g, (_, name, from) => `const ${name} = load("${from}");`)
    .replace(/import (\w+) from "([^"]+)";/g, (_, name, from) => `const ${name} = load("${from}").default;`)
    .replace(/import (\{[^}]*\}) from "([^"]+)";/g, (_, names, from) => `const ${names} = load("${from}");`)
    .replace(/^export \{[^}]*\};$/m, "");
  const load = (name: string) => {
    const found = MODULES[name];
    if (!found) throw new Error(`${page}: imports ${name}, which the test does not know`);
    return new Proxy(found, {
      get(target, key) {
        if (!(key in target)) throw new Error(`${name} has no ${String(key)}`);
        return target[key as never];
      },
    });
  };
  const names = Object.keys(given);
  await new AsyncFunction("load", ...names, `{ ${body} }`)(load, ...names.map((name) => given[name]));
}

describe("programs run", () => {
  const programs = named(["ts", "js"], ({ code }) => !ELSEWHERE.some((word) => code.includes(word)));
  test.each(programs)("%s", { timeout: 60_000 }, async (_name, block) => {
    await run(block, await world(block.code));
  });
  test("there are many", () => expect(programs.length).toBeGreaterThan(20));
});

describe("commands exist, with all of their flags", () => {
  const scripts = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).scripts as Record<string, string>;
  test.each(named(["console", "yaml", "sh"]))("%s", async (_name, { code }) => {
    for (const line of code.replaceAll("\\\n", " ").split("\n")) {
      const words = line.replace(/ #.*$/, "").match(/(?:^\$ |run: |&& )?(?:npx )?equant (.*)$/);
      for (const [, script] of line.matchAll(/npm run (?:--silent )?([\w:-]+)/g))
        expect(Object.keys(scripts)).toContain(script);
      if (!words || !/^(?:\$ |.*run: )/.test(line)) continue;
      const [command, ...rest] = words[1]!.trim().split(/\s+/);
      if (command!.startsWith("-")) continue;
      const help = await equant(["help", command!]);
      expect(help.stderr, line).toBe("");
      for (const flag of rest.filter((word) => /^--?[a-z]/.test(word)))
        expect(help.stdout, line).toContain(flag.split("=")[0]);
    }
  });
});

test("files that CONTRIBUTING names exist", () => {
  const paths = [
    ...readFileSync(join(root, "CONTRIBUTING.md"), "utf8").matchAll(/`((?:packages|scripts|test|docs)\/[^`]+)`/g),
  ];
  const real = paths.map((match) => match[1]!).filter((path) => !path.includes("NAME"));
  expect(real.length).toBeGreaterThan(8);
  expect(real.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

test.each(named(["json"]))("JSON is JSON: %s", (_name, { code }) => {
  expect(() => JSON.parse(code)).not.toThrow();
});
