import { createRunner, type OrtModule, type Runner } from "@equant/core";

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

let loading: Promise<Runner> | undefined;

/** The runner, its runtime fetched when it is first needed. */
export function runner(): Promise<Runner> {
  loading ??= load();
  return loading;
}

async function load(): Promise<Runner> {
  const ort = await import("onnxruntime-web/wasm");
  ort.env.wasm.numThreads = threadCount();
  ort.env.wasm.wasmPaths = {
    mjs: place("ort-wasm-simd-threaded.mjs"),
    wasm: place("ort-wasm-simd-threaded.wasm"),
  };
  return createRunner(ort as unknown as OrtModule);
}
