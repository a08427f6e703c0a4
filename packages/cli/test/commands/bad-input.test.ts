import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createNode, type Model, parseModel, serializeModel, Tensor } from "@equant/core/lab";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { npy, zipOf } from "../../../core/test/data/helpers.js";
import type { Envelope } from "../../src/frame/envelope.js";
import { DIGITS_MODEL, writeDigits } from "../helpers/digits.js";
import { equant } from "../helpers/run.js";

/** One bad input through every command that takes it: the same code, the same exit code, nothing written. */

interface Given {
  readonly model: string;
  readonly data: string;
  readonly out: string;
  readonly labels?: string;
}

type Build = (given: Given) => string[] | Promise<string[]>;

const flags = ({ data, labels }: Given) => ["--data", data, ...(labels === undefined ? [] : ["--labels", labels])];
const writing =
  (command: string, ...more: string[]): Build =>
  (given) => [command, given.model, ...flags(given), "-o", given.out, "--overwrite", "--preset", "zero-one", ...more];

let folder = "";
const at = (name: string) => join(folder, name);

/** A recipe for `run`; its output is a folder. */
async function recipe({ model, data, out, labels }: Given, more: object = {}): Promise<string[]> {
  const config = {
    model,
    data: { calibrate: { dir: data, ...(labels && { labels }) }, preprocess: { preset: "zero-one" }, ...more },
    steps: [{ use: "fold" }, { use: "quantize" }],
    out: `${out}.folder`,
  };
  await writeFile(at("recipe.json"), JSON.stringify(config));
  return ["run", at("recipe.json"), "--overwrite"];
}

const COMMANDS = {
  quantize: writing("quantize"),
  compress: writing("compress", "--equalize", "none", "--no-dead-channels", "--bias-correct", "none"),
  calibrate: writing("calibrate"),
  equalize: writing("equalize"),
  debug: (given: Given) => ["debug", given.model, ...flags(given), "--preset", "zero-one"],
  run: (given: Given) => recipe(given),
  train: writing("train", "--epochs", "1"),
  tune: (given: Given) => [
    ...["tune", given.model, ...flags(given), "--preset", "zero-one"],
    ...["--trials", "1", "-o", `${given.out}.tuned`, "--overwrite"],
  ],
} satisfies Record<string, Build>;

type Name = keyof typeof COMMANDS;

const ALL = Object.keys(COMMANDS) as Name[];
const without = (...names: Name[]) => ALL.filter((name) => !names.includes(name));

async function changedModel(name: string, change: (model: Model) => void): Promise<string> {
  const model = parseModel(await readFile(DIGITS_MODEL));
  change(model);
  await writeFile(at(name), serializeModel(model));
  return at(name);
}

const changeWeight = (value: number) => (model: Model) => {
  const [name, tensor] = [...model.graph.initializers].find(([, { dims }]) => dims.length === 4)!;
  const values = Float32Array.from(tensor.array() as Float32Array);
  values[3] = value;
  model.graph.initializers.set(name, Tensor.float32(tensor.dims, values));
};

/** Puts an operator that nobody knows in front of the network. */
const unknownOperator = (domain: string) => (model: Model) => {
  const { graph } = model;
  const [first] = graph.nodes;
  const node = createNode({ opType: "Magic", domain, inputs: [first!.inputs[0]!], outputs: ["magic"], name: "trick" });
  first!.inputs[0] = "magic";
  graph.nodes.unshift(node);
  if (domain !== "") model.opsets.set(domain, 1);
};

/** A model whose weight says that it lies at `location`. */
const external = (location: string) => async (): Promise<Partial<Given>> => {
  const model = parseModel(await readFile(DIGITS_MODEL));
  const place = new Map([...model.graph.initializers.values()].slice(0, 1).map((tensor) => [tensor, location]));
  const externalize = (_: string, tensor: Tensor) =>
    place.has(tensor) ? { location, offset: 0, length: tensor.byteLength! } : undefined;
  await mkdir(at("models"), { recursive: true });
  await writeFile(at("models/m.onnx"), serializeModel(model, { externalize }));
  return { model: at("models/m.onnx") };
};

/** A zip whose only entry claims to unpack to 3 GB. */
function bomb(): Uint8Array {
  const zip = zipOf({ "a.jpg": new Uint8Array(1000) });
  const view = new DataView(zip.buffer, zip.byteOffset);
  for (let p = 0; p + 4 < zip.length; p++) {
    if (view.getUint32(p, true) === 0x02014b50) view.setUint32(p + 24, 3e9, true);
  }
  return zip;
}

async function file(name: string, bytes: Uint8Array | string): Promise<string> {
  await writeFile(at(name), bytes);
  return at(name);
}

async function truncatedJpeg(): Promise<string> {
  const noise = Buffer.from(Array.from({ length: 28 * 28 * 3 }, (_, i) => (i * 7919) % 251));
  const jpeg = await sharp(noise, { raw: { width: 28, height: 28, channels: 3 } })
    .jpeg({ quality: 95 })
    .toBuffer();
  await mkdir(at("images"), { recursive: true });
  await writeFile(at("images/good.jpg"), jpeg);
  await writeFile(at("images/torn.jpg"), jpeg.subarray(0, jpeg.length / 2));
  return at("images");
}

async function labelled(label: string): Promise<Partial<Given>> {
  await mkdir(at("pictures"), { recursive: true });
  const png = await sharp({ create: { width: 28, height: 28, channels: 3, background: "white" } })
    .png()
    .toBuffer();
  for (const name of "abcdefgh") await writeFile(at(`pictures/${name}.png`), png);
  const rows = [...[..."abcdefg"].map((name) => `${name}.png,1`), `h.png,${label}`];
  return { data: at("pictures"), labels: await file("labels.csv", `file,label\n${rows.join("\n")}\n`) };
}

interface Case {
  readonly what: string;
  readonly code: string;
  readonly commands: readonly Name[];
  readonly make: () => Promise<Partial<Given>> | Partial<Given>;
  /** What the message must name. */
  readonly says: RegExp;
}

const CASES: readonly Case[] = [
  { what: "no such model", code: "E3001", commands: ALL, says: /nowhere/, make: () => ({ model: at("nowhere.onnx") }) },
  {
    what: "half a model",
    code: "E3002",
    commands: ALL,
    says: /half\.onnx/,
    make: async () => ({ model: await file("half.onnx", (await readFile(DIGITS_MODEL)).subarray(0, 9000)) }),
  },
  {
    what: "NaN weights",
    code: "E3006",
    commands: ALL,
    says: /NaN/,
    make: async () => ({ model: await changedModel("nan.onnx", changeWeight(Number.NaN)) }),
  },
  {
    what: "infinite weights",
    code: "E3006",
    commands: ALL,
    says: /Inf/,
    make: async () => ({ model: await changedModel("inf.onnx", changeWeight(Number.POSITIVE_INFINITY)) }),
  },
  {
    what: "opset 6",
    code: "E4002",
    commands: ALL,
    says: /opset 6/,
    make: async () => ({ model: await changedModel("old.onnx", ({ opsets }) => opsets.set("", 6)) }),
  },
  {
    what: "an operator of an unknown domain",
    code: "E4001",
    commands: ALL,
    says: /Magic/,
    make: async () => ({ model: await changedModel("domain.onnx", unknownOperator("com.acme")) }),
  },
  {
    what: "an operator that ONNX does not have",
    code: "E4001",
    commands: ALL,
    says: /Magic/,
    make: async () => ({ model: await changedModel("operator.onnx", unknownOperator("")) }),
  },
  {
    what: "a quantized model",
    code: "E4003",
    // A quantized network can be trained: gradients pass through its rounding.
    commands: without("train"),
    says: /already quantized/,
    make: () => ({ model: at("quantized.onnx") }),
  },
  { what: "external data above the folder", code: "E3005", commands: ALL, says: /outside/, make: external("../w.bin") },
  { what: "external data at /", code: "E3005", commands: ALL, says: /outside/, make: external("/etc/passwd") },
  {
    what: "external data behind a link",
    code: "E3005",
    commands: ALL,
    says: /link/,
    make: async () => {
      await mkdir(at("models"), { recursive: true });
      await rm(at("models/link.bin"), { force: true });
      await symlink(DIGITS_MODEL, at("models/link.bin"));
      return external("link.bin")();
    },
  },
  {
    what: "an empty folder",
    code: "E5001",
    commands: ALL,
    says: /empty/,
    make: async () => {
      await mkdir(at("empty"), { recursive: true });
      return { data: at("empty") };
    },
  },
  {
    what: "a wrong number of channels",
    code: "E5003",
    commands: ALL,
    says: /3, ?28, ?28/,
    make: async () => ({ data: await file("rgb.npy", npy("<f4", [2, 3, 28, 28], new Float32Array(2 * 3 * 784))) }),
  },
  {
    what: "a truncated JPEG",
    code: "E5002",
    // Without labels nothing is trained.
    commands: without("train"),
    says: /torn\.jpg/,
    make: async () => ({ data: await truncatedJpeg() }),
  },
  { what: "a label that is no class", code: "E5004", commands: without("run"), says: /-1/, make: () => labelled("-1") },
  {
    what: "a zip with absolute paths",
    code: "E5005",
    commands: ALL,
    says: /\/etc\/passwd/,
    make: async () => ({ data: await file("absolute.zip", zipOf({ "/etc/passwd": "x", "a.png": "x" })) }),
  },
  {
    what: "a zip that unpacks to gigabytes",
    code: "E5005",
    commands: ALL,
    says: /GiB/,
    make: async () => ({ data: await file("bomb.zip", bomb()) }),
  },
  {
    what: "output = input",
    code: "E2006",
    commands: without("debug", "run", "tune"),
    says: /input/,
    make: () => ({ out: at("model.onnx") }),
  },
  {
    what: "output = input through a link",
    code: "E2006",
    commands: without("debug", "run", "tune"),
    says: /input/,
    make: async () => {
      await rm(at("linked.onnx"), { force: true });
      await symlink(at("model.onnx"), at("linked.onnx"));
      return { out: at("linked.onnx") };
    },
  },
  ...(process.platform === "linux"
    ? ([
        {
          what: "a folder that cannot be written to",
          code: "E6002",
          // Root learns it only when writing: after all the work.
          commands: ["quantize", "compress", "calibrate", "run"],
          says: /\/sys\/equant/,
          make: () => ({ out: "/sys/equant-test.onnx" }),
        },
        {
          what: "a full disk",
          code: "E6002",
          commands: ["quantize", "compress", "calibrate"],
          says: /full/,
          make: () => ({ out: "/dev/full" }),
        },
      ] as const)
    : []),
];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "equant-bad-"));
  await writeDigits(folder, 24);
  await writeFile(at("model.onnx"), await readFile(DIGITS_MODEL));
  const good = await equant([
    "quantize",
    DIGITS_MODEL,
    "--data",
    digits(),
    "--preset",
    "zero-one",
    "-o",
    at("quantized.onnx"),
  ]);
  expect(good.code, good.stderr).toBe(0);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const digits = () => at("digits-images-idx3-ubyte");

async function expectRefused(argv: string[], code: string, says: RegExp): Promise<void> {
  const before = await readdir(folder, { recursive: true });
  const model = await readFile(at("model.onnx"));
  const run = await equant([...argv, "--json", "--threads", "1", "--progress", "none"]);
  const { ok, error } = run.json<Envelope>();
  expect({ ok, code: error?.code, exit: run.code }, error?.message).toEqual({ ok: false, code, exit: Number(code[1]) });
  expect(error!.message).toMatch(says);
  expect(error!.hint, error!.message).toBeTruthy();
  expect(await readdir(folder, { recursive: true })).toEqual(before);
  expect(Buffer.compare(await readFile(at("model.onnx")), model)).toBe(0);
}

describe.each(CASES)("$what: $code", ({ code, commands, make, says }) => {
  test.each(commands)("%s", async (name) => {
    const given = { model: at("model.onnx"), data: digits(), out: at("result.out"), ...(await make()) };
    await expectRefused(await COMMANDS[name](given), code, says);
  });
});

describe("a label beyond the model's classes", () => {
  test("validate, train and tune refuse it", async () => {
    const given = { model: at("model.onnx"), out: at("result.out"), data: digits(), ...(await labelled("12")) };
    const { model } = given;
    await expectRefused(["validate", model, ...flags(given), "--preset", "zero-one"], "E5004", /12/);
    await expectRefused(await COMMANDS.train(given), "E5004", /12/);
    await expectRefused(await COMMANDS.tune(given), "E5004", /12/);
  });
  test("run refuses it where it validates", async () => {
    const { data, labels } = await labelled("12");
    const given = { model: at("model.onnx"), data: digits(), out: at("result.out") };
    await expectRefused(await recipe(given, { validate: { dir: data, labels } }), "E5004", /12/);
  });
  test.each(["quantize", "compress"] as const)("%s reads no labels", async (name) => {
    const given = { model: at("model.onnx"), data: digits(), out: at("fine.onnx"), ...(await labelled("12")) };
    const run = await equant(await COMMANDS[name](given));
    expect(run.code, run.stderr).toBe(0);
    await rm(at("fine.onnx"));
  });
});
