// The node tests of onnx through equant: a round trip, the opset upgrade and folding must leave what ONNX Runtime computes.
// Usage: node scripts/onnx-node-tests.mjs FOLDER… (folders below them hold model.onnx and test_data_set_N/input_M.pb: an unpacked wheel of
// onnx up to 1.8, or what scripts/onnx-node-tests.py writes for newer ones). Build first. Ends with 1 where an output differs.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

process.env.ORT_DISABLE_TELEMETRY = "1";

/** One model is given this long before its process is replaced. */
const HANGS_MS = 20_000;
/** Folding computes in float64 what ONNX Runtime computes in float32: its results round differently. Relative to the largest value. */
const TOLERANCE = 1e-5;
/** Below opset 7 the operators that broadcast mean something else: the upgrade refuses such models. */
const REFUSED = "E4002";

/** @param {string} folder @returns {string[]} */
function modelsIn(folder) {
  const entries = readdirSync(folder, { withFileTypes: true });
  const own = entries.some((entry) => entry.name === "model.onnx") ? [join(folder, "model.onnx")] : [];
  return [
    ...own,
    ...entries.filter((entry) => entry.isDirectory()).flatMap(({ name }) => modelsIn(join(folder, name))),
  ];
}

/** A varint of protobuf. @param {number} value */
function varint(value) {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
  return [...bytes, value];
}

const field = (number, bytes) => Buffer.concat([Buffer.from([number * 8 + 2, ...varint(bytes.length)]), bytes]);

/** A tensor as onnx writes it alone: read as the one initializer of a model. */
function tensorIn(file, { parseModel }) {
  const [irVersion, opset] = [Buffer.from([8, 8]), field(8, Buffer.from([16, 17]))];
  const tensor = Buffer.concat([readFileSync(file), field(8, Buffer.from("tensor"))]);
  const model = parseModel(new Uint8Array(Buffer.concat([irVersion, opset, field(7, field(5, tensor))])));
  return model.graph.initializers.get("tensor");
}

/** Feeds of one data set; undefined where an input is no tensor. */
function feedsIn(folder, model, core, ort) {
  const feeds = {};
  for (const [index, { name }] of model.graph.inputs.entries()) {
    const tensor = (() => {
      try {
        return ortTensor(tensorIn(join(folder, `input_${index}.pb`), core), ort);
      } catch {
        // No tensor, or of a type that JavaScript has no numbers for.
        return undefined;
      }
    })();
    if (tensor) feeds[name] = tensor;
    else if (!model.graph.initializers.has(name)) return undefined;
  }
  return feeds;
}

function ortTensor(tensor, ort) {
  const data = tensor.dtype === "string" ? tensor.strings() : tensor.array();
  return new ort.Tensor(tensor.dtype, data, [...tensor.dims]);
}

async function outputsOf(bytes, feeds, ort) {
  const session = await ort.InferenceSession.create(bytes, { graphOptimizationLevel: "disabled", logSeverityLevel: 4 });
  try {
    const used = Object.fromEntries(
      session.inputNames.filter((name) => feeds[name]).map((name) => [name, feeds[name]]),
    );
    return await session.run(used);
  } finally {
    await session.release();
  }
}

/** What differs between two runs; empty where nothing does. */
function difference(expected, actual) {
  for (const [name, a] of Object.entries(expected)) {
    const b = actual[name];
    if (!b) return `output ${name} is gone`;
    if (a.type !== b.type || a.dims.join() !== b.dims.join())
      return `${name}: ${a.type} [${a.dims}] became ${b.type} [${b.dims}]`;
    const finite = Array.from(a.data, (value) => Math.abs(Number(value))).filter(Number.isFinite);
    const allowed = TOLERANCE * finite.reduce((most, value) => Math.max(most, value), 0);
    for (let i = 0; i < a.data.length; i++) {
      const [x, y] = [a.data[i], b.data[i]];
      if (Object.is(x, y) || x === y || Math.abs(Number(x) - Number(y)) <= allowed) continue;
      if (Number.isNaN(Number(x)) && Number.isNaN(Number(y)) && typeof x !== "string") continue;
      return `${name}[${i}]: ${x} became ${y}`;
    }
  }
  return "";
}

/** What became of one model: `skipped` where ONNX Runtime does not run it itself. */
async function examine(file, core, ort, runner) {
  const bytes = new Uint8Array(readFileSync(file));
  const { parseModel, serializeModel, cloneModel, upgradeOpset, fold } = core;
  const result = { file, skipped: "", ran: 0 };
  let model;
  try {
    model = parseModel(bytes);
  } catch (error) {
    return { ...result, skipped: `not read: ${error.code ?? error.stack}` };
  }
  const roundTrip = serializeModel(model);
  result.sameBytes = Buffer.compare(bytes, roundTrip) === 0;
  const sets = readdirSync(dirname(file)).filter((name) => name.startsWith("test_data_set"));
  const runs = [];
  for (const set of sets) {
    const feeds = feedsIn(join(dirname(file), set), model, core, ort);
    if (!feeds) continue;
    try {
      const [expected, again] = [await outputsOf(bytes, feeds, ort), await outputsOf(bytes, feeds, ort)];
      if (difference(expected, again) === "") runs.push({ feeds, expected });
      else result.skipped = "random";
    } catch (error) {
      result.skipped = `not run: ${String(error.message).slice(0, 200)}`;
    }
  }
  if (runs.length === 0) return { ...result, skipped: result.skipped || "no tensors to run it on" };
  result.ran = runs.length;
  const variants = {
    roundTrip: async () => roundTrip,
    upgrade: async () => {
      const copy = cloneModel(model);
      await upgradeOpset()(copy, {});
      return serializeModel(copy);
    },
    fold: async () => {
      const copy = cloneModel(model);
      await fold()(copy, { runner });
      return serializeModel(copy);
    },
    upgradeAndFold: async () => {
      const copy = cloneModel(model);
      await upgradeOpset()(copy, {});
      await fold()(copy, { runner });
      return serializeModel(copy);
    },
  };
  for (const [name, make] of Object.entries(variants)) {
    try {
      const changed = await make();
      const differences = [];
      for (const { feeds, expected } of runs)
        differences.push(difference(expected, await outputsOf(changed, feeds, ort)));
      result[name] = differences.find((text) => text !== "") ?? "equal";
    } catch (error) {
      result[name] = error.code === REFUSED ? "refused" : `${error.code ?? "untyped"}: ${error.message}`;
    }
  }
  return result;
}

async function work() {
  const core = await import(new URL("../packages/core/dist/lab.js", import.meta.url).href);
  const ort = await import("onnxruntime-node");
  const runner = core.createRunner(ort, { threads: 1 });
  for await (const file of createInterface(process.stdin))
    process.stdout.write(`${JSON.stringify(await examine(file, core, ort, runner))}\n`);
}

/** Every model in a process of its own kind, which is replaced where a model ends or stops it. */
async function examineAll(files) {
  const results = [];
  while (results.length < files.length) {
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url), "--worker"], {
      stdio: ["pipe", "pipe", "ignore"],
    });
    child.stdin.on("error", () => undefined);
    child.stdin.end(files.slice(results.length).join("\n"));
    let alarm = setTimeout(() => child.kill("SIGKILL"), 2 * HANGS_MS);
    for await (const line of createInterface(child.stdout)) {
      clearTimeout(alarm);
      results.push(JSON.parse(line));
      alarm = setTimeout(() => child.kill("SIGKILL"), HANGS_MS);
    }
    clearTimeout(alarm);
    if (results.length < files.length)
      results.push({ file: files[results.length], skipped: "the process ended or hung", ran: 0 });
  }
  return results;
}

async function main(folders) {
  const seen = new Map();
  const all = folders.flatMap(modelsIn).sort();
  for (const file of all) seen.set(createHash("sha256").update(readFileSync(file)).digest("hex"), file);
  const results = await examineAll([...seen.values()]);
  const ran = results.filter(({ ran }) => ran > 0);
  const lines = [`${all.length} models, ${seen.size} different, ${ran.length} that ONNX Runtime runs`];
  const bytes = results.filter(({ sameBytes }) => sameBytes !== undefined);
  lines.push(`round trip byte for byte: ${bytes.filter(({ sameBytes }) => sameBytes).length} of ${bytes.length} read`);
  let failures = 0;
  for (const name of ["roundTrip", "upgrade", "fold", "upgradeAndFold"]) {
    const count = (text) => ran.filter((result) => result[name] === text).length;
    const wrong = ran.filter((result) => !["equal", "refused"].includes(result[name]));
    lines.push(`${name}: ${count("equal")} equal, ${count("refused")} refused (opset below 7), ${wrong.length} differ`);
    for (const result of wrong) lines.push(`  ${result.file}: ${result[name]}`);
    failures += wrong.length;
  }
  const skips = new Map();
  for (const { skipped, file, ran: times } of results) {
    if (times > 0) continue;
    const why = skipped.replace(/[0-9]+|'[^']*'/g, "…").slice(0, 60);
    skips.set(why, [...(skips.get(why) ?? []), file]);
  }
  for (const [why, those] of [...skips].sort((a, b) => b[1].length - a[1].length))
    lines.push(`skipped ${those.length}: ${why} (${those[0]})`);
  process.stdout.write(`${lines.join("\n")}\n`);
  process.exitCode = failures > 0 ? 1 : 0;
}

await (process.argv[2] === "--worker" ? work() : main(process.argv.slice(2)));
