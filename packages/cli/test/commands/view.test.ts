import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createAppServer } from "../../src/commands/app-server.js";
import { equant, temporaryFolder } from "../helpers/run.js";

const POLICIES = { page: "connect-src 'self'", entry: "connect-src *" };

async function served() {
  const outer = await mkdtemp(join(tmpdir(), "equant-view-"));
  const folder = join(outer, "app");
  await mkdir(join(folder, "assets"), { recursive: true });
  await writeFile(join(folder, "index.html"), "<title>app</title>");
  await writeFile(join(folder, "open.html"), "<title>entry</title>");
  await writeFile(join(folder, "policy.json"), JSON.stringify(POLICIES));
  await writeFile(join(folder, "assets/a.wasm"), "wasm");
  await writeFile(join(outer, "secret.txt"), "secret");
  const server = createAppServer(folder, new Map([["/report/", "<title>report</title>"]]));
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  // fetch would tidy the path up before it is sent.
  return (path: string, headers: Record<string, string> = {}, method = "GET") =>
    new Promise<{ status: number; headers: Record<string, unknown>; text: string }>((resolve, reject) => {
      const sent = request({ port, host: "127.0.0.1", path, method, headers }, (response) => {
        let text = "";
        response.on("data", (chunk) => {
          text += chunk;
        });
        response.on("end", () => resolve({ status: response.statusCode!, headers: response.headers, text }));
      });
      sent.on("error", reject);
      sent.end();
    });
}

test("serves the app with the headers that threads need", async () => {
  const get = await served();
  const page = await get("/");
  expect(page).toMatchObject({ status: 200, text: "<title>app</title>" });
  expect(page.headers).toMatchObject({
    "content-type": "text/html; charset=utf-8",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
  });
  expect((await get("/assets/a.wasm")).headers["content-type"]).toBe("application/wasm");
  expect((await get("/report/")).text).toBe("<title>report</title>");
});

test("every file comes with the policy of the page, which binds workers too; the entry page with its own", async () => {
  const get = await served();
  const policyOf = async (path: string) => (await get(path)).headers["content-security-policy"];
  for (const path of ["/", "/index.html", "/assets/a.wasm"])
    expect(await policyOf(path)).toBe("connect-src 'self'; frame-ancestors 'none'");
  expect(await policyOf("/open.html")).toBe("connect-src *; frame-ancestors 'none'");
  // A report has a policy in itself, and what is not there needs none.
  for (const path of ["/report/", "/none.js"]) expect(await policyOf(path)).toBe("frame-ancestors 'none'");
});

test("200 requests that nobody reads hold parts of a file, not 200 files; nobody frames the page unasked", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "index.html"), "");
  await writeFile(join(folder, "policy.json"), JSON.stringify(POLICIES));
  const bytes = 8 << 20;
  await writeFile(join(folder, "large.bin"), new Uint8Array(bytes));
  const server = createAppServer(folder);
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const before = process.memoryUsage().rss;
  const answers = Array.from({ length: 200 }, () => {
    const sent = request({ port, host: "127.0.0.1", path: "/large.bin", agent: false });
    sent.on("error", () => undefined);
    sent.end();
    return new Promise<IncomingMessage>((resolve) => sent.on("response", resolve));
  });
  const [first] = await Promise.all(answers);
  expect(first!.headers).toMatchObject({
    "content-length": String(bytes),
    "content-security-policy": "connect-src 'self'; frame-ancestors 'none'",
  });
  await new Promise((resolve) => setTimeout(resolve, 300));
  // Both ends are in this process: 1600 MB of files, and some sockets' worth of memory.
  expect(process.memoryUsage().rss - before).toBeLessThan(4e8);
});

test.each(["https://a.example; script-src *", "*", "ftp://a.example", "https://a.example/page"])(
  "--allow-frame %s is no origin",
  async (origin) => {
    const { code, stderr } = await equant(["view", "--allow-frame", origin]);
    expect(code).toBe(2);
    expect(stderr).toContain("E2002");
  },
);

test.each(["/../secret.txt", "/%2e%2e/secret.txt", "/assets/..%2f..%2fsecret.txt", "/none", "/%", "//etc/passwd"])(
  "%s leads nowhere",
  async (path) => {
    const get = await served();
    const { status, text } = await get(path);
    expect(status).toBe(404);
    expect(text).not.toContain("secret");
  },
);

test("another site's name and other methods are refused", async () => {
  const get = await served();
  expect((await get("/", { host: "evil.example" })).status).toBe(403);
  expect((await get("/", {}, "POST")).status).toBe(405);
});

test("a report that is none is refused before anything is served", async () => {
  const cwd = await temporaryFolder();
  await writeFile(join(cwd, "report.json"), "{}");
  const { code, stderr } = await equant(["view", "report.json"], { cwd });
  expect(code).toBe(5);
  expect(stderr).toContain("E5002");
  expect((await equant(["view", "none.json"], { cwd })).code).toBe(3);
});
