import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join, relative } from "node:path";
import { defineConfig, type Plugin } from "vite";
import { noticesOf } from "../../scripts/notices.mjs";

const require = createRequire(import.meta.url);

/** Threads in WebAssembly need a page isolated from other origins. */
const HEADERS = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

/** Nothing but the page's own files may be fetched, so that a model cannot leave the machine. */
const POLICY = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval' blob:",
  "worker-src 'self' blob:",
  "connect-src 'self'",
  "img-src 'self' blob: data:",
  "style-src 'self' 'unsafe-inline'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** The page that fetches what a link names may ask any address; it has no session and starts no worker. */
const ENTRY_POLICY = [
  "default-src 'self'",
  "script-src 'self'",
  "connect-src *",
  "worker-src 'none'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** Files that are served as they are: ONNX Runtime's WebAssembly (its glue starts threads from its own address) and the demo model. */
const COPIED: Readonly<Record<string, string>> = {
  "ort/ort-wasm-simd-threaded.mjs": require.resolve("onnxruntime-web/ort-wasm-simd-threaded.mjs"),
  "ort/ort-wasm-simd-threaded.wasm": require.resolve("onnxruntime-web/ort-wasm-simd-threaded.wasm"),
  // With WebGPU: fetched only when a person asks for it.
  "ort/ort-wasm-simd-threaded.asyncify.mjs": require.resolve("onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs"),
  "ort/ort-wasm-simd-threaded.asyncify.wasm": require.resolve("onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm"),
  "demo/digits.onnx": join(import.meta.dirname, "../cli/assets/digits.onnx"),
};

/** Files that are made: the network of the demo that goes wrong. */
const MADE: Readonly<Record<string, () => Promise<Uint8Array>>> = {
  "demo/digits-wide.onnx": async () => {
    const { wideDigits } = await import("./src/demo/wide-digits.ts");
    return wideDigits(readFileSync(COPIED["demo/digits.onnx"]!));
  },
};

const TYPES: Readonly<Record<string, string>> = { mjs: "text/javascript", wasm: "application/wasm" };

function copiedFiles(): Plugin {
  return {
    name: "copied-files",
    configureServer(server) {
      server.middlewares.use(async (request, response, next) => {
        const name = new URL(request.url ?? "/", "http://localhost").pathname.slice(1);
        if (MADE[name]) return void response.end(await MADE[name]());
        const path = COPIED[name];
        if (!path) return next();
        response.setHeader("Content-Type", TYPES[path.slice(path.lastIndexOf(".") + 1)] ?? "application/octet-stream");
        for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
        response.end(readFileSync(path));
      });
    },
    async generateBundle() {
      for (const [fileName, make] of Object.entries(MADE)) {
        this.emitFile({ type: "asset", fileName, source: await make() });
      }
      for (const [fileName, path] of Object.entries(COPIED)) {
        this.emitFile({ type: "asset", fileName, source: readFileSync(path) });
      }
    },
  };
}

/**
 * The policy as a tag, for static hosts that set no headers; not in development, where modules are reloaded over a socket. A tag
 * binds the page and not its workers, so the file with both policies says what servers send with every file.
 */
function contentPolicy(): Plugin {
  return {
    name: "content-policy",
    apply: "build",
    generateBundle() {
      const source = JSON.stringify({ page: POLICY, entry: ENTRY_POLICY });
      this.emitFile({ type: "asset", fileName: "policy.json", source });
    },
    transformIndexHtml: (_html, { filename }) => [
      {
        tag: "meta",
        attrs: {
          "http-equiv": "Content-Security-Policy",
          content: basename(filename) === "open.html" ? ENTRY_POLICY : POLICY,
        },
        injectTo: "head-prepend",
      },
    ],
  };
}

/** Licences of what is bundled, for the page's help and for whoever gets the package. */
function notices(): Plugin {
  return {
    name: "notices",
    apply: "build",
    generateBundle() {
      this.emitFile({ type: "asset", fileName: "notices.txt", source: noticesOf(import.meta.dirname) });
    },
  };
}

/** What the service worker keeps for work offline. */
function offlineList(): Plugin {
  return {
    name: "offline-list",
    apply: "build",
    writeBundle({ dir }) {
      // Everything in the folder: files that other plugins and the worker's build wrote are not in this bundle.
      const files = readdirSync(dir!, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && !["index.html", "sw.js", "files.json"].includes(entry.name))
        .filter((entry) => !entry.name.includes(".asyncify."))
        .map((entry) => relative(dir!, join(entry.parentPath, entry.name)).replaceAll("\\", "/"));
      writeFileSync(join(dir!, "files.json"), JSON.stringify(["./", ...files.sort()]));
    },
  };
}

export default defineConfig({
  root: import.meta.dirname,
  base: "./",
  define: {
    POLICY: JSON.stringify(POLICY),
    VERSION: JSON.stringify(JSON.parse(readFileSync(join(import.meta.dirname, "package.json"), "utf8")).version),
  },
  resolve: {
    // The charts are drawn in a worker; this build of linkedom needs nothing of Node.
    alias: [{ find: /^linkedom$/, replacement: "linkedom/worker" }],
    conditions: ["source", "onnxruntime-web-use-extern-wasm", "module", "browser", "import", "default"],
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  worker: { format: "es" },
  server: { headers: HEADERS, host: "127.0.0.1", fs: { allow: [join(import.meta.dirname, "../..")] } },
  preview: { headers: HEADERS, host: "127.0.0.1" },
  build: {
    target: "es2023",
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 2000,
    reportCompressedSize: false,
    rollupOptions: {
      input: {
        index: join(import.meta.dirname, "index.html"),
        open: join(import.meta.dirname, "open.html"),
        sw: join(import.meta.dirname, "src/sw.ts"),
      },
      output: { entryFileNames: ({ name }) => (name === "sw" ? "sw.js" : "assets/[name]-[hash].js") },
    },
  },
  plugins: [copiedFiles(), contentPolicy(), notices(), offlineList()],
});
