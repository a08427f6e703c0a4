import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { type Kind, kindsOf } from "./kinds.js";
import { networksIn } from "./networks.js";
import { caseOf, type Work } from "./worker.js";

/**
 * npm run fuzz -- --minutes N [--seed S] [--cases N] [--commands N]: damages files of every kind that equant reads and uses
 * them, most in this process, some through the real command. What goes wrong is written to build/fuzz and ends it with 1.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    seed: { type: "string" },
    cases: { type: "string", default: "Infinity" },
    commands: { type: "string", default: "Infinity" },
    jobs: { type: "string", default: "1" },
  },
});
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
const until = Date.now() + 60_000 * Number(values.minutes);
const [maxCases, maxCommands] = [Number(values.cases), Number(values.commands)];

/** Processor time and memory that one file may take. */
const MAX_SECONDS = 2;
const MAX_BYTES = 1e9;

const root = process.cwd();
const kinds = kindsOf(root);
const failures: string[] = [];

function fail(index: number, how: string): void {
  const { kind, bytes } = caseOf(kinds, seed, index);
  const path = join(
    "build/fuzz",
    `${kind.name}-${seed}-${index}${kind.isText ? ".json" : kind.name === "models" ? ".onnx" : ".bin"}`,
  );
  mkdirSync("build/fuzz", { recursive: true });
  writeFileSync(path, bytes);
  failures.push(path);
  process.stderr.write(`${path}: ${how}\n`);
}

/** Runs cases in a thread, which is replaced where one does not end. */
function inProcess(first: number, step: number, script: string): { done(): number; stop(): Promise<unknown> } {
  const state = new Int32Array(new SharedArrayBuffer(8));
  let worker: Worker;
  const begin = (from: number) => {
    // Loading is no case.
    Atomics.store(state, 0, -1);
    worker = new Worker(script, { workerData: { root, seed, first: from, step, state } satisfies Work });
    worker.on("message", ({ index, error }: { index: number; error: string }) => fail(index, error));
    worker.on("error", (error) => {
      const index = Atomics.load(state, 0);
      fail(index, String(error));
      begin(index + step);
    });
  };
  begin(first);
  let [last, since] = [-1, process.cpuUsage()];
  const watch = setInterval(async () => {
    const index = Atomics.load(state, 0);
    const { user } = process.cpuUsage(since);
    if (index !== last || index < 0) [last, since] = [index, process.cpuUsage()];
    else if (user > MAX_SECONDS * 1e6 * 1.5) {
      fail(index, `takes more than ${MAX_SECONDS} s`);
      await worker.terminate();
      begin(index + step);
    }
    const { rss } = process.memoryUsage();
    if (rss > MAX_BYTES + 5e8) fail(index, `${(rss / 1e9).toFixed(1)} GB in use`);
  }, 500);
  return {
    done: () => Atomics.load(state, 1),
    stop: () => {
      clearInterval(watch);
      return worker.terminate();
    },
  };
}

const digits = join(root, "packages/cli/assets/digits.onnx");
const calibrate = (path: string, out: string) => [
  ...["calibrate", digits, "--data", path],
  ...["--samples", "2", "-o", join(out, "c.json")],
];

/** Networks for tokens and for sound, beside which such data is read. */
const NETWORKS = networksIn(join(root, "build/fuzz-networks"));
const tokenizer = join(root, "build/fuzz-networks/tokenizer.json");
const decoder = new TextDecoder("latin1");

/** Text, JSON lines and sound are told by their names; damaged ones by what they begin with. */
function recordName(bytes: Uint8Array): string {
  const start = decoder.decode(bytes.subarray(0, 4));
  return start === "RIFF" ? "a.wav" : start.startsWith("{") ? "a.jsonl" : "a.txt";
}

const calibrateTokens = (path: string, out: string) => [
  ...["calibrate", NETWORKS.tokens, "--data", path, "--tokenizer", tokenizer],
  ...["--samples", "2", "-o", join(out, "c.json")],
];
const calibrateSound = (path: string, out: string) => [
  ...["calibrate", NETWORKS.sound, "--data", path, "--sample-rate", "8000"],
  ...["--samples", "2", "-o", join(out, "c.json")],
];
/** Arrays by the names of a network's inputs, or pictures. */
const isNamedArrays = (bytes: Uint8Array) => decoder.decode(bytes).includes("input_ids");

interface Line {
  readonly name: string;
  argv(path: string, out: string): string[];
}

/** For a file of a kind, its name and the command line that reads it. */
const LINES: Readonly<Record<Kind["name"], Line | ((bytes: Uint8Array) => Line)>> = {
  models: {
    name: "m.onnx",
    argv: (path, out) => ["quantize", path, "--data", "random", "--samples", "2", "-o", join(out, "q.onnx")],
  },
  arrays: { name: "a.npy", argv: calibrate },
  records: (bytes) => {
    const name = recordName(bytes);
    return { name, argv: name === "a.wav" ? calibrateSound : calibrateTokens };
  },
  images: { name: "a.png", argv: calibrate },
  zips: (bytes) =>
    isNamedArrays(bytes) ? { name: "a.npz", argv: calibrateTokens } : { name: "a.zip", argv: calibrate },
  tokenizers: {
    name: "t.json",
    argv: (path, out) => [...calibrateTokens(join(root, "LICENSE"), out), "--tokenizer", path],
  },
  configs: { name: "c.json", argv: (path, out) => ["run", path, "--out", join(out, "run")] },
  calibrations: {
    name: "c.json",
    argv: (path, out) => ["quantize", digits, "--calibration", path, "-o", join(out, "q.onnx")],
  },
  reports: { name: "r.json", argv: (path, out) => ["report", path, "-o", join(out, "r.html")] },
};

/** What a process and those it started have used so far. */
function usageOf(pid: number | undefined): { seconds: number; bytes: number } {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
    const own = { seconds: (Number(stat[11]) + Number(stat[12])) / 100, bytes: 4096 * Number(stat[21]) };
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
    return children.map(usageOf).reduce((sum, { seconds, bytes }) => {
      return { seconds: sum.seconds + seconds, bytes: Math.max(sum.bytes, bytes) };
    }, own);
  } catch {
    // It has ended, or the system does not tell.
    return { seconds: 0, bytes: 0 };
  }
}

interface Ended {
  readonly code: number | string | null;
  readonly stderr: string;
  /** Processor time and memory, as last seen. */
  readonly seconds: number;
  readonly bytes: number;
}

/** Runs the real command until it ends, or takes more than `allowed` seconds of processor time. */
function run(argv: readonly string[], allowed: number): Promise<Ended> {
  return new Promise((resolve) => {
    const limits = ["--max-memory", "1GB", "--threads", "1", "--quiet"];
    const line = [join(root, "packages/cli/bin/equant.js"), ...argv, ...limits];
    const child = spawn(process.execPath, line, { stdio: ["ignore", "ignore", "pipe"] });
    let [stderr, seconds, bytes] = ["", 0, 0];
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const watch = setInterval(() => {
      const used = usageOf(child.pid);
      [seconds, bytes] = [Math.max(seconds, used.seconds), Math.max(bytes, used.bytes)];
      if (seconds > allowed) child.kill("SIGTERM");
    }, 50);
    child.on("close", (exit, signal) => {
      clearInterval(watch);
      resolve({ code: exit ?? signal, stderr, seconds, bytes });
    });
  });
}

/** Processor time that the command takes for a file that nobody damaged, by kind: what a damaged one may exceed by two seconds. */
const undamaged = new Map<Kind["name"], number>();
let [slowest, largest] = [0, 0];

async function used(kind: Kind, bytes: Uint8Array, allowed: number): Promise<Ended & { left: string[] }> {
  const folder = mkdtempSync(join(tmpdir(), "equant-fuzz-"));
  try {
    const out = join(folder, "out");
    mkdirSync(out);
    const line = LINES[kind.name];
    const { name, argv } = typeof line === "function" ? line(bytes) : line;
    writeFileSync(join(folder, name), bytes);
    const ended = await run(argv(join(folder, name), out), allowed);
    const files = readdirSync(out, { recursive: true, encoding: "utf8" });
    return {
      ...ended,
      left: files.filter((file) => file.endsWith(".tmp") || (ended.code !== 0 && file.includes("."))),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** One file through the real command: exit codes 0 and 2 to 7, in bounds, nothing partial. */
async function command(index: number): Promise<void> {
  const { kind, bytes } = caseOf(kinds, seed, index);
  if (!undamaged.has(kind.name)) {
    const { seconds } = await used(kind, kind.files[0]!, Number.POSITIVE_INFINITY);
    undamaged.set(kind.name, seconds);
  }
  const usual = undamaged.get(kind.name)!;
  const { code, stderr, left, ...took } = await used(kind, bytes, usual + MAX_SECONDS);
  slowest = Math.max(slowest, took.seconds - usual);
  largest = Math.max(largest, took.bytes);
  const allowed = code === 0 || (typeof code === "number" && code >= 2 && code <= 7);
  if (took.seconds > usual + MAX_SECONDS) fail(index, `the command takes more than ${MAX_SECONDS} s above ${usual} s`);
  else if (!allowed || (code !== 0 && !/error\[E\d{4}\]/.test(stderr)))
    fail(index, `the command ended with ${code}: ${stderr.slice(-600)}`);
  else if (left.length > 0) fail(index, `${left.join(", ")} is left`);
  else if (took.bytes > MAX_BYTES) fail(index, `the command takes ${(took.bytes / 1e9).toFixed(2)} GB`);
}

process.stdout.write(`fuzz: seed ${seed}\n`);
const jobs = Number(values.jobs);
const script = join(root, "build/fuzz-worker.mjs");
const threads = Array.from({ length: jobs }, (_, i) => inProcess(i, jobs, script));
const done = () => threads.reduce((sum, thread) => sum + thread.done(), 0);
let commands = 0;
while (Date.now() < until && (commands < maxCommands || done() < maxCases)) {
  // Far from those in the threads, so that both see different files.
  if (commands < maxCommands) await command(1e9 + commands++);
  else await new Promise((resolve) => setTimeout(resolve, 200));
}
const total = done();
await Promise.all(threads.map((thread) => thread.stop()));
process.stdout.write(
  `fuzz: ${total} files in process, ${commands} through the command (at most ${slowest.toFixed(1)} s more than undamaged, ` +
    `${(largest / 1e6).toFixed(0)} MB), ${failures.length} failures, seed ${seed}\n`,
);
process.exitCode = failures.length > 0 ? 1 : 0;
