import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";

/**
 * The command against real brokers on loopback: the built command, its workers as processes, kill −9 among them, the broker too. They
 * are installed by scripts/install-system.sh; where they are not, only CI insists.
 */
const COMMAND = fileURLToPath(new URL("../../cli/bin/equant.js", import.meta.url));
const MODEL = fileURLToPath(new URL("../../cli/assets/digits.onnx", import.meta.url));

const folder = await mkdtemp(join(tmpdir(), "equant-queue-"));
const children = new Set<ChildProcess>();
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await rm(folder, { recursive: true, force: true });
});

/** Postgres is told to trust; it does not ask for it. */
const PASSWORD = "correct-horse";

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

interface Broker {
  readonly url: string;
  start(): Promise<void>;
  /** Ends it as a power cut would; what it has said is safe is on the disk. */
  kill(): Promise<void>;
}

function has(command: string): boolean {
  return spawnSync(command, ["--version"]).status === 0;
}

async function reachable(port: number): Promise<void> {
  const { connect } = await import("node:net");
  for (let tries = 0; tries < 100; tries++) {
    const socket = connect(port, "127.0.0.1");
    const isOpen = await new Promise((resolve) => {
      socket.on("connect", () => resolve(true));
      socket.on("error", () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`nobody listens at ${port}`);
}

async function redis(): Promise<Broker> {
  const port = await freePort();
  const place = join(folder, `redis-${port}`);
  await mkdir(place);
  let server: ChildProcess;
  return {
    url: `redis://127.0.0.1:${port}`,
    async start() {
      const args = [
        "--port",
        String(port),
        "--bind",
        "127.0.0.1",
        "--dir",
        place,
        "--appendonly",
        "yes",
        "--requirepass",
        PASSWORD,
      ];
      server = spawn("redis-server", [...args, "--appendfsync", "always"], { stdio: "ignore" });
      children.add(server);
      await reachable(port);
    },
    async kill() {
      server.kill("SIGKILL");
      await once(server, "exit");
    },
  };
}

/** Where Debian puts the server, or whatever is in PATH. */
function postgresProgram(name: string): string | undefined {
  const places = [17, 16, 15, 14].map((version) => `/usr/lib/postgresql/${version}/bin/${name}`);
  return [...places, name].find(has);
}

async function postgres(): Promise<Broker> {
  const port = await freePort();
  const place = join(folder, `postgres-${port}`);
  await mkdir(place);
  await chmod(folder, 0o755);
  // It refuses to run as root.
  const isRoot = userInfo().uid === 0;
  const ids = isRoot
    ? { uid: Number(execFileSync("id", ["-u", "postgres"])), gid: Number(execFileSync("id", ["-g", "postgres"])) }
    : {};
  if (isRoot) execFileSync("chown", ["postgres", place]);
  const options = { ...ids, stdio: "ignore" as const, cwd: place };
  execFileSync(postgresProgram("initdb")!, ["-D", join(place, "data"), "-A", "trust", "-U", "postgres"], options);
  let server: ChildProcess;
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    async start() {
      const args = ["-D", join(place, "data"), "-p", String(port), "-k", place, "-c", "listen_addresses=127.0.0.1"];
      server = spawn(postgresProgram("postgres")!, args, options);
      children.add(server);
      await reachable(port);
      await new Promise((done) => setTimeout(done, 1500));
    },
    async kill() {
      server.kill("SIGQUIT");
      await once(server, "exit");
    },
  };
}

interface Ended {
  readonly code: number | null;
  readonly stderr: string;
}

function equant(args: readonly string[], env: NodeJS.ProcessEnv = {}): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [COMMAND, ...args, "--threads", "1"], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, ...env },
    cwd: folder,
  });
  children.add(child);
  let stderr = "";
  child.stderr!.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, stderr }));
  return { child, ended };
}

const DATA = ["--data", "random", "--samples", "4000"];

async function calibrated(name: string, extra: readonly string[]): Promise<Buffer> {
  const file = join(folder, `${name}.json`);
  const { code, stderr } = await equant(["calibrate", MODEL, ...DATA, "-o", file, ...extra]).ended;
  expect(code, stderr).toBe(0);
  return readFile(file);
}

const single = calibrated("single", []);

test("processes of one machine: the bytes of one process", async () => {
  expect((await calibrated("processes", ["--workers", "3"])).equals(await single)).toBe(true);
});

const BROKERS: readonly [string, boolean, () => Promise<Broker>][] = [
  ["Redis", has("redis-server"), redis],
  ["PostgreSQL", postgresProgram("initdb") !== undefined, postgres],
];

describe.each(BROKERS)("%s", (name, isInstalled, make) => {
  test.skipIf(!isInstalled && !process.env.CI)(
    "workers and the broker killed in the middle: the bytes of one process, and nothing of the password is said",
    { timeout: 120_000 },
    async () => {
      const broker = await make();
      await broker.start();
      const store = join(folder, `store-${name}`);
      const queue = ["--queue", broker.url, "--store", store];
      const secret = { EQUANT_QUEUE_PASSWORD: PASSWORD };
      const workers = [0, 1, 2].map(() => equant(["worker", ...queue], secret));
      const file = join(folder, `${name}.json`);
      const producer = equant(["calibrate", MODEL, ...DATA, "-o", file, ...queue, "--workers", "3"], secret);
      for (let killed = 0; killed < 4; killed++) {
        await new Promise((done) => setTimeout(done, 200 + 500 * Math.random()));
        const at = killed % workers.length;
        workers[at]!.child.kill("SIGKILL");
        workers[at] = equant(["worker", ...queue], secret);
        if (killed !== 2) continue;
        expect(producer.child.exitCode, "the broker should die in the middle").toBe(null);
        await broker.kill();
        await new Promise((done) => setTimeout(done, 500));
        await broker.start();
      }
      const { code, stderr } = await producer.ended;
      expect(code, stderr).toBe(0);
      expect((await readFile(file)).equals(await single)).toBe(true);
      for (const { child } of workers) child.kill("SIGTERM");
      const said = await Promise.all(workers.map(({ ended }) => ended));
      for (const worker of said) expect([143, 0], worker.stderr).toContain(worker.code);
      for (const text of [stderr, ...said.map((worker) => worker.stderr)]) expect(text).not.toContain(PASSWORD);
      await broker.kill();
    },
  );
});
