import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { everyCommand } from "./helpers/every-command.js";

/**
 * Runs command lines one after the other; a file that is looked for in between marks in the trace where each begins. What
 * ONNX Runtime would send, it sends seconds after a session, hence the wait.
 */
const RUNS = `
import { existsSync } from "node:fs";
const dist = ${JSON.stringify(new URL("../dist/", import.meta.url).href)};
const { main, processIo } = await import(dist + "main.js");
const [lines, cwd] = process.argv.slice(2);
for (const line of JSON.parse(lines)) {
  existsSync("/begin/" + line[0]);
  let said = "";
  let stop = () => {};
  const say = (text, done) => {
    said += text;
    // view runs until it is stopped; demo goes on with what prune and report have shown before.
    if (/press Ctrl\\+C to stop|^bias-correct done/.test(text) && /view|demo/.test(line[0])) setImmediate(stop);
    done?.();
    return true;
  };
  const onSignal = (name, listener) => {
    if (name === "SIGINT") stop = listener;
    return () => {};
  };
  const io = { ...processIo(), cwd, env: {}, onSignal, stdout: { write: say }, stderr: { write: say } };
  const code = await main(line, io);
  if (code !== (/view|demo/.test(line[0]) ? 130 : 0)) throw new Error(line.join(" ") + " ended with " + code + "\\n" + said);
}
await new Promise((done) => setTimeout(done, 3000));
`;

/** Reaching the network, and making, changing or removing a file. */
const CALLS = [
  ...["socket", "connect", "bind", "sendto", "sendmsg", "sendmmsg"],
  ...["open", "openat", "creat", "mkdir", "mkdirat", "mknod", "mknodat", "truncate"],
  ...["rename", "renameat", "renameat2", "unlink", "unlinkat", "link", "linkat", "symlink", "symlinkat"],
];
/** How Node looks for a file: what the marks are. */
const LOOKS = ["access", "faccessat", "faccessat2", "stat", "statx", "newfstatat"];

/** What the trace shows besides reading, as `command: call`. Opening a list of name servers is the beginning of a look-up. */
function deedsOf(trace: string): string[] {
  let command = "start";
  const deeds: string[] = [];
  for (const line of trace.split("\n")) {
    const call = line.replace(/^\d+ +/, "");
    const name = /^\w+/.exec(call)?.[0] ?? "";
    command = /"\/begin\/(\w+)"/.exec(call)?.[1] ?? command;
    if (LOOKS.includes(name) || !CALLS.includes(name)) continue;
    const reads =
      /^open/.test(name) && !/O_(CREAT|WRONLY|RDWR|TRUNC)/.test(call) && !/resolv\.conf|nsswitch/.test(call);
    if (!reads) deeds.push(`${command}: ${call}`);
  }
  return deeds;
}

const hasStrace = spawnSync("strace", ["-V"]).status === 0;

test.skipIf(process.platform !== "linux" || (!hasStrace && !process.env.CI))(
  "no command reaches the network, looks a name up, or writes a file that is not its output",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "equant-trace-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const [inputs, outputs, temporary] = ["inputs", "outputs", "tmp"].map((name) => join(folder, name));
    for (const path of [inputs, outputs, temporary]) await mkdir(path!);
    const script = join(inputs!, "runs.mjs");
    await writeFile(script, RUNS);
    const lines = await everyCommand({ inputs: inputs!, outputs: outputs! });
    const trace = join(folder, "trace");
    const traced = ["-f", "--seccomp-bpf", "-qq", "-e", `trace=${[...CALLS, ...LOOKS].join(",")}`, "-o", trace];
    const { status, stderr } = spawnSync(
      "strace",
      [...traced, process.execPath, script, JSON.stringify(lines), outputs!],
      // The test runs switch telemetry off for themselves; the command must do it alone.
      { env: { PATH: process.env.PATH, HOME: folder, TMPDIR: temporary }, encoding: "utf8" },
    );
    expect(status, stderr).toBe(0);
    const deeds = deedsOf(await readFile(trace, "utf8"));
    const elsewhere = deeds.filter((deed) => !deed.includes(`"${outputs}/`));
    expect(deeds.length - elsewhere.length).toBeGreaterThan(lines.length);
    // `view` listens on this machine alone; Node's listen reads how names are looked up, and asks nobody. The optimized graph goes to a file without a name.
    const allowed = [
      /^view: socket\(AF_INET,/,
      /^view: bind\(.*inet_addr\("127\.0\.0\.1"\)/,
      /^view: openat\(AT_FDCWD, "\/etc\/(resolv|nsswitch)\.conf", O_RDONLY/,
      /O_TMPFILE/,
      /^\w+: openat\(AT_FDCWD, "\/proc\/self\/fd\//,
    ];
    expect(elsewhere.filter((deed) => !allowed.some((pattern) => pattern.test(deed)))).toEqual([]);
  },
);
