import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRandom, parseModel } from "@equant/core/lab";
import { expect, onTestFinished, test } from "vitest";
import { everyCommand } from "../helpers/every-command.js";
import { equant } from "../helpers/run.js";

/** SIGTERM at a random moment of every command: it ends within a second, and what is there by then is whole. */

const BIN = fileURLToPath(new URL("../../bin/equant.js", import.meta.url));
const SEED = Number(process.env.EQUANT_SEED ?? Date.now() % 2 ** 31);
/** Up to here, in ms, the commands are at work with these inputs. */
const LAST_MOMENT = 2000;
/** From the signal to the end, in ms, on a machine that does nothing else. */
const BAR = 1000;
/** A machine that others use may be late, but not each time. */
const TRIES = 3;

interface Stopped {
  /** Exit code or signal; 0 where it had ended before. */
  readonly how: number | string | null;
  readonly ms: number;
  readonly stderr: string;
}

/** Runs a line and stops it after `moment` ms. */
function stopped(argv: readonly string[], moment: number): Promise<Stopped> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [BIN, ...argv], { stdio: ["ignore", "ignore", "pipe"] });
    let stderr = "";
    let asked: number | undefined;
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const timer = setTimeout(() => {
      asked = performance.now();
      child.kill("SIGTERM");
    }, moment);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ how: code ?? signal, ms: asked === undefined ? 0 : performance.now() - asked, stderr });
    });
  });
}

/** Reads every file to its end, as what it is. */
async function expectWhole(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  for (const entry of entries.filter((each) => each.isFile())) {
    const path = join(entry.parentPath, entry.name);
    expect(path).not.toMatch(/\.(tmp|lock)$/);
    const bytes = await readFile(path);
    if (path.endsWith(".onnx")) parseModel(bytes);
    else if (path.endsWith(".json")) JSON.parse(bytes.toString());
    else if (path.endsWith(".html")) expect(bytes.toString()).toMatch(/<\/html>\s*$/);
    else expect(bytes.length).toBeGreaterThan(0);
  }
}

test.skipIf(process.platform === "win32")(
  `SIGTERM at a random moment of every command ends it within a second, nothing partial is left (EQUANT_SEED=${SEED})`,
  async () => {
    const root = await mkdtemp(join(tmpdir(), "equant-stop-"));
    onTestFinished(() => rm(root, { recursive: true, force: true }));
    const [inputs, made] = [join(root, "inputs"), join(root, "made")];
    for (const path of [inputs, made]) await mkdir(path);
    const whole = await everyCommand({ inputs, outputs: made });
    for (const line of whole.filter(([name]) => name === "quantize" || name === "run"))
      expect((await equant(line)).code).toBe(0);
    const random = createRandom(SEED);
    let [hits, slowest] = [0, 0];
    for (const [index, [name]] of whole.entries()) {
      const moment = 50 + random.uniform() * LAST_MOMENT;
      const times: number[] = [];
      while (times.length < TRIES && !times.some((ms) => ms <= BAR)) {
        const outputs = join(root, `${name}-${times.length}`);
        await mkdir(outputs);
        const argv = (await everyCommand({ inputs, outputs, made }))[index]!;
        const { how, ms, stderr } = await stopped(argv, moment);
        expect([0, 143, "SIGTERM"], `${argv.join(" ")} after ${moment} ms: ${stderr}`).toContain(how);
        await expectWhole(outputs);
        times.push(ms);
        if (how !== 0) hits++;
      }
      slowest = Math.max(slowest, Math.min(...times));
      const load = Math.max(1, loadavg()[0]! / cpus().length);
      expect(Math.min(...times), `${name} after ${moment.toFixed(0)} ms`).toBeLessThanOrEqual(BAR * load);
    }
    process.stdout.write(`SIGTERM: ${hits} commands stopped, the slowest in ${slowest.toFixed(0)} ms\n`);
    expect(hits).toBeGreaterThan(0);
  },
);
