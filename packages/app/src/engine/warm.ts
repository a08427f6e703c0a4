import { warmCharts } from "../charts/client.js";
import type { AppProvider } from "../protocol.js";
import { remember, remembered } from "../state/local.js";
import { announcement, environment } from "../state/store.js";
import { engine } from "./engine.js";

const KEY = "equant.provider";

let warmed: Promise<void> | undefined;

/** Loads core into the worker, and learns how many threads there are and who runs float networks. */
export function warm(): Promise<void> {
  warmCharts();
  warmed ??= load(remembered(KEY) === "webgpu" ? "webgpu" : "wasm").catch(() => {
    warmed = undefined;
  });
  return warmed;
}

/** Runs float networks on the graphics card from now on, or on the processor again; said either way. */
export async function runOn(provider: AppProvider): Promise<void> {
  remember(KEY, provider);
  await load(provider);
  announcement.value = runsOn();
}

/** Who runs float networks, and why it is not who was asked. */
export function runsOn(): string {
  const { provider, refused } = environment.value!;
  if (refused !== null) return `WebGPU cannot be had: ${refused}. Networks run on the processor.`;
  return provider === "webgpu" ? "Float networks run on WebGPU." : "Networks run on the processor.";
}

async function load(provider: AppProvider): Promise<void> {
  environment.value = await engine.call("warm", { provider }).promise;
}
