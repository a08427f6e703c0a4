import { createReadStream, existsSync, readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { extname, resolve, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";

/** The built app: beside this package in the workspace, where it is never an old copy, else inside the installed one. */
const PLACES = ["../../../app/dist", "../../app"].map((place) => fileURLToPath(new URL(place, import.meta.url)));

/** What the build writes beside the pages: the policy of each. */
const POLICIES = "policy.json";
const HTML = "text/html; charset=utf-8";
const TYPES: ReadonlyMap<string, string> = new Map(
  Object.entries<string>({
    ".html": HTML,
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
  }),
);

/** Folder of the built app; undefined when it was not built. */
export function appFolder(): string | undefined {
  return PLACES.find((place) => existsSync(resolve(place, POLICIES)));
}

/** Who may show the pages inside a page of their own; nobody by default. */
export interface AppServerOptions {
  /** Sources as in the policy `frame-ancestors`: `https://example.org`. Default: `'none'`. */
  readonly frameAncestors?: string;
}

/** What the app's build says that its pages may fetch: a tag in them says it too, but does not bind their workers. */
function policiesOf(folder: string): { readonly page: string; readonly entry: string } {
  return JSON.parse(readFileSync(resolve(folder, POLICIES), "utf8"));
}

/**
 * Serves the app, and pages made up here, to this machine only, with the headers that threads in WebAssembly need, and with the
 * app's policy on every file, so that its workers are held to it. Files are streamed: a reader that does not read holds a part of
 * one, not all of it.
 */
export function createAppServer(
  folder: string,
  pages: ReadonlyMap<string, string> = new Map(),
  { frameAncestors = "'none'" }: AppServerOptions = {},
): Server {
  const policies = policiesOf(folder);
  const made = new Map([...pages].map(([path, page]) => [path, Buffer.from(page)]));
  return createServer(async (request, response) => {
    // The entry page takes models from pages that opened it, so it must not be cut off from them.
    const isEntry = /^\/open\.html(\?|$)/.test(request.url ?? "");
    const begin = (status: number, type: string, bytes: number, ...policy: string[]) => {
      response.writeHead(status, {
        "Content-Type": type,
        "Content-Length": bytes,
        "Content-Security-Policy": [...policy, `frame-ancestors ${frameAncestors}`].join("; "),
        "Cross-Origin-Opener-Policy": isEntry ? "unsafe-none" : "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
        "X-Content-Type-Options": "nosniff",
      });
    };
    const send = (status: number, type: string, body: Uint8Array) => {
      begin(status, type, body.length);
      response.end(request.method === "HEAD" ? undefined : body);
    };
    const refuse = (status: number, why: string) => send(status, "text/plain", Buffer.from(`${why}\n`));
    // Another site's page must not reach this one under a name of its own.
    const host = request.headers.host?.replace(/:\d+$/, "");
    if (host !== "127.0.0.1" && host !== "localhost") return refuse(403, "forbidden");
    if (request.method !== "GET" && request.method !== "HEAD") return refuse(405, "GET only");
    const path = decodedPath(request.url);
    const page = path === undefined ? undefined : made.get(path);
    if (page !== undefined) return send(200, HTML, page);
    const file = resolve(folder, `.${path === undefined || path.endsWith("/") ? `${path ?? "/"}index.html` : path}`);
    if (path === undefined || path.includes("\0") || !file.startsWith(folder + sep)) return refuse(404, "not found");
    const info = await stat(file).catch(() => undefined);
    if (!info?.isFile()) return refuse(404, "not found");
    const type = TYPES.get(extname(file)) ?? "application/octet-stream";
    begin(200, type, info.size, isEntry ? policies.entry : policies.page);
    if (request.method === "HEAD") return void response.end();
    // A reader that leaves ends the stream, and so does a file that shrinks meanwhile.
    await pipeline(createReadStream(file), response).catch(() => response.destroy());
  });
}

function decodedPath(url: string | undefined): string | undefined {
  try {
    return decodeURIComponent(new URL(url ?? "/", "http://localhost").pathname);
  } catch {
    return undefined;
  }
}
