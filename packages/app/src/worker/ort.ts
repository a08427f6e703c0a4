import { createRunner, type OrtModule, type Runner } from "@equant/core";
import type { AppProvider, Provided } from "../protocol.js";
import { provide } from "./provider.js";

/** More threads than this gain nothing on networks of this size, and every one keeps a stack. */
const MOST_THREADS = 8;

/** Where the page's own copies of the WebAssembly lie: beside the folder of this script, or at the root in development. */
function place(file: string): string {
  // Written in one expression, the bundler would take it for an asset of its own.
  const script: string = import.meta.url;
  return new URL(import.meta.env.DEV ? `/ort/${file}` : `../ort/${file}`, script).href;
}

/** Threads that ONNX Runtime gets: all cores in an isolated page, else one. */
export function threadCount(): number {
  return globalThis.crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1) : 1;
}

let processor: Promise<Runner> | undefined;
let chosen: Runner | undefined;

/** The runner, its runtime fetched when it is first needed. */
export async function runner(): Promise<Runner> {
  return chosen ?? onProcessor();
}

/** What everything from now on runs on. */
export async function chooseProvider(asked: AppProvider): Promise<Provided> {
  if (asked === "wasm") {
    chosen = undefined;
    return { provider: "wasm", refused: null };
  }
  const { gpu } = navigator as Navigator & { readonly gpu?: { requestAdapter(): Promise<object | null> } };
  const file = "ort-wasm-simd-threaded.asyncify";
  const load = async () => {
    const { ok } = await fetch(place(`${file}.wasm`), { method: "HEAD" });
    if (!ok) throw new Error("this copy of the page comes without the runtime for it");
    return prepared(await import("onnxruntime-web/webgpu"), file);
  };
  const { runner: found, ...provided } = await provide(asked, onProcessor, { gpu, load });
  chosen = found;
  return provided;
}

function onProcessor(): Promise<Runner> {
  processor ??= import("onnxruntime-web/wasm").then((ort) => createRunner(prepared(ort, "ort-wasm-simd-threaded")));
  return processor;
}

function prepared(ort: Pick<typeof import("onnxruntime-web/wasm"), "env">, file: string): OrtModule {
  ort.env.wasm.numThreads = threadCount();
  ort.env.wasm.wasmPaths = { mjs: place(`${file}.mjs`), wasm: place(`${file}.wasm`) };
  return ort as unknown as OrtModule;
}
