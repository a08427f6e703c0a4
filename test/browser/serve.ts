import { createReadStream } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, resolve } from "node:path";

const TYPES: Record<string, string> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".json": "application/json",
};

/** Serves folders by URL prefix on loopback; `isolated`: with the headers that threads in WebAssembly need. Default: true. */
export async function serve(
  routes: Record<string, string>,
  { isolated = true }: { isolated?: boolean } = {},
): Promise<{ url: string; server: Server }> {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    const prefix = Object.keys(routes)
      .sort((a, b) => b.length - a.length)
      .find((candidate) => path.startsWith(candidate));
    const root = resolve(routes[prefix ?? "/"] ?? ".");
    const rest = path.slice((prefix ?? "/").length);
    const file = resolve(join(root, rest === "" || rest.endsWith("/") ? `${rest}index.html` : rest));
    if (isolated) {
      // The entry page takes models from pages that opened it.
      response.setHeader("Cross-Origin-Opener-Policy", path === "/open.html" ? "unsafe-none" : "same-origin");
      response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
    }
    response.setHeader("Content-Type", TYPES[extname(file)] ?? "application/octet-stream");
    if (!file.startsWith(root)) return void response.writeHead(403).end();
    createReadStream(file)
      .on("error", () => response.writeHead(404).end())
      .pipe(response);
  });
  return listening(server);
}

/** A server on a free port of loopback, and its address. */
export async function listening(server: Server): Promise<{ url: string; server: Server }> {
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}
