/**
 * Service worker: keeps the page for work offline, and on hosts that cannot set headers isolates it, so that
 * WebAssembly gets threads, and gives its workers the page's policy. Nothing but the page's own files is ever asked for.
 */
interface ExtendableEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface FetchEvent extends ExtendableEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}
interface Scope {
  readonly registration: { readonly scope: string };
  addEventListener(type: "install" | "activate", listener: (event: ExtendableEvent) => void): void;
  addEventListener(type: "fetch", listener: (event: FetchEvent) => void): void;
  skipWaiting(): Promise<void>;
  readonly clients: { claim(): Promise<void> };
}
const scope = globalThis as unknown as Scope;
const PREFIX = "equant-";

/** The cache of this build; files carry hashes in their names, so the list names the build. */
async function cacheOf(list: string): Promise<Cache> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-1", new TextEncoder().encode(list)));
  return caches.open(PREFIX + Array.from(digest.subarray(0, 6), (byte) => byte.toString(16).padStart(2, "0")).join(""));
}

async function install(): Promise<void> {
  const list = await (await fetch(new URL("files.json", scope.registration.scope), { cache: "no-store" })).text();
  const cache = await cacheOf(list);
  const files = (JSON.parse(list) as string[]).map((file) => new URL(file, scope.registration.scope).href);
  await Promise.all(
    files.map(async (file) => {
      if (!(await cache.match(file))) await cache.add(new Request(file, { cache: "no-cache" }));
    }),
  );
  for (const name of await caches.keys()) {
    if (name.startsWith(PREFIX) && !(await (await caches.open(name)).match(files[0]!))) await caches.delete(name);
  }
}

/**
 * The page's policy is a tag in it, which does not bind workers: theirs comes with their script. The entry page takes models from
 * pages that opened it, so it is not cut off from them, and keeps to the policy of its own tag.
 */
function isolated(response: Response): Response {
  if (response.status === 0 || response.type === "opaque") return response;
  const headers = new Headers(response.headers);
  const isEntry = new URL(response.url || scope.registration.scope).pathname.endsWith("/open.html");
  headers.set("Cross-Origin-Opener-Policy", isEntry ? "unsafe-none" : "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  headers.set("Cross-Origin-Resource-Policy", "same-origin");
  if (!isEntry && !headers.has("Content-Security-Policy")) headers.set("Content-Security-Policy", POLICY);
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

/** The page itself comes from the network while there is one, so that a new version is seen; hashed files from the cache. */
async function answer(request: Request): Promise<Response> {
  const cached = await caches.match(request, { ignoreSearch: request.mode === "navigate" });
  if (request.mode !== "navigate" && cached) return isolated(cached);
  try {
    return isolated(await fetch(request));
  } catch (error) {
    const page = cached ?? (request.mode === "navigate" ? await caches.match(scope.registration.scope) : undefined);
    if (page) return isolated(page);
    throw error;
  }
}

scope.addEventListener("install", (event) => {
  event.waitUntil(scope.skipWaiting());
});
scope.addEventListener("activate", (event) => {
  // The files are kept after the page works, not before.
  event.waitUntil(scope.clients.claim());
  void install();
});
scope.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method === "GET" && new URL(request.url).origin === new URL(scope.registration.scope).origin) {
    event.respondWith(answer(request));
  }
});
