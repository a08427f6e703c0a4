import type { Model, OrtModule, Runner } from "@equant/core";
import { isQuantized, parseModel, provideRunner } from "@equant/core/lab";
import type { AppProvider, Provided } from "../protocol.js";

/** What a browser with WebGPU has in a worker; the library that types it is another. */
interface Graphics {
  requestAdapter(): Promise<object | null>;
}

/** Float networks run on the graphics card; integers, whose kernels it does not have, on the processor. */
function byArithmetic(graphics: Runner, processor: Runner): Runner {
  const of = (model: Model | Uint8Array) =>
    isQuantized(model instanceof Uint8Array ? parseModel(model) : model) ? processor : graphics;
  return {
    ...graphics,
    open: (model, options) => of(model).open(model, options),
    using: (model, use, options) => of(model).using(model, use, options),
  };
}

/**
 * The runner that was asked for, or the processor's and the reason. The runtime with WebGPU, 27 MB, is only fetched where the browser
 * has a graphics card to give.
 */
export async function provide(
  asked: AppProvider,
  processor: () => Promise<Runner>,
  { gpu, load }: { readonly gpu: Graphics | undefined; readonly load: () => Promise<OrtModule> },
): Promise<Provided & { readonly runner: Runner }> {
  const runner = await processor();
  const instead = (refused: string | null) => ({ runner, provider: "wasm" as const, refused });
  if (asked === "wasm") return instead(null);
  if (!gpu) return instead("this browser has no WebGPU");
  if (!(await gpu.requestAdapter().catch(() => null))) return instead("the browser gives no graphics card");
  try {
    const found = await provideRunner(await load(), "webgpu");
    if (found.provider !== "webgpu") return instead(found.refused[0]!.reason);
    return { runner: byArithmetic(found.runner, runner), provider: "webgpu", refused: null };
  } catch (error) {
    return instead(error instanceof Error ? error.message : String(error));
  }
}
