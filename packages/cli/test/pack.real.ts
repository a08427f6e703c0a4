import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createAppServer } from "../src/commands/app-server.js";

const root = join(import.meta.dirname, "..");

test("the packed command holds the whole built app, the demo's network, and serves both", async () => {
  const text = execFileSync("npm", ["pack", "--dry-run", "--json", "--silent"], { cwd: root, encoding: "utf8" });
  const [pack] = JSON.parse(text) as [{ files: { path: string }[] }];
  const packed = new Set(pack.files.map(({ path }) => path));
  const built = readdirSync(join(root, "../app/dist"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join("app", entry.parentPath.split("app/dist")[1]!, entry.name));
  expect(built.length).toBeGreaterThan(10);
  expect(built.filter((path) => !packed.has(path))).toEqual([]);
  for (const path of ["assets/digits.onnx", "bin/equant.js", "dist/app-server.js"])
    expect(packed, path).toContain(path);

  // As installed: nothing of the workspace around it.
  const folder = mkdtempSync(join(tmpdir(), "equant-pack-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  cpSync(join(root, "app"), join(folder, "app"), { recursive: true });
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
