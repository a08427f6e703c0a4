import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { extname, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** The built app: beside this package in the workspace, where it is never an old copy, else inside the installed one. */
const PLACES = ["../../../app/dist", "../../app"].map((place) => fileURLToPath(new URL(place, import.meta.url)));

const TYPES: ReadonlyMap<string, string> = new Map(
  Object.entries<string>({
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
  }),
);

/** Folder of the built app; undefined when it was not built. */
export function appFolder(): string | undefined {
  return PLACES.find((place) => existsSync(resolve(place, "index.html")));
}

/** Serves the app, and pages made up here, to this machine only, with the headers that threads in WebAssembly need. */
export function createAppServer(folder: string, pages: ReadonlyMap<string, string> = new Map()): Server {
  return createServer(async (request, response) => {
    const send = (status: number, type: string, body: Uint8Array | string) => {
      // The entry page takes models from pages that opened it, so it must not be cut off from them.
      const opener = /^\/open\.html(\?|$)/.test(request.url ?? "") ? "unsafe-none" : "same-origin";
      response.writeHead(status, {
        "Content-Type": type,
        "Cross-Origin-Opener-Policy": opener,
        "Cross-Origin-Embedder-Policy": "require-corp",
        "X-Content-Type-Options": "nosniff",
      });
      response.end(request.method === "HEAD" ? undefined : body);
    };
    // Another site's page must not reach this one under a name of its own.
    const host = request.headers.host?.replace(/:\d+$/, "");
    if (host !== "127.0.0.1" && host !== "localhost") return send(403, "text/plain", "forbidden\n");
    if (request.method !== "GET" && request.method !== "HEAD") return send(405, "text/plain", "GET only\n");
    const path = decodedPath(request.url);
    const page = path === undefined ? undefined : pages.get(path);
    if (page !== undefined) return send(200, TYPES.get(".html")!, page);
    const file = resolve(folder, `.${path === undefined || path.endsWith("/") ? `${path ?? "/"}index.html` : path}`);
    if (path === undefined || !file.startsWith(folder + sep)) return send(404, "text/plain", "not found\n");
    try {
      send(200, TYPES.get(extname(file)) ?? "application/octet-stream", await readFile(file));
    } catch {
      send(404, "text/plain", "not found\n");
    }
  });
}

function decodedPath(url: string | undefined): string | undefined {
  try {
    return decodeURIComponent(new URL(url ?? "/", "http://localhost").pathname);
  } catch {
    return undefined;
  }
}
