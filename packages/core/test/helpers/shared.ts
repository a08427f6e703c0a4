import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SHARED = process.env.EQUANT_SHARED ?? fileURLToPath(new URL("../../../../../shared", import.meta.url));

/** Path in the folder of shared models and data: EQUANT_SHARED, or `shared` beside the repository. */
export function sharedPath(...parts: readonly string[]): string {
  const path = join(SHARED, ...parts);
  if (!existsSync(path)) throw new Error(`${path} is missing; set EQUANT_SHARED`);
  return path;
}

/** The real networks, by file name. */
export const SHARED_MODELS = [
  "ad_autoencoder",
  "cifar_resnet20",
  "mlperf_resnet8",
  "mobilenet_v1_0.75_224",
  "mobilenet_v2_0.35_224_cifar10head",
  "vww_mobilenet_025",
] as const;

export const sharedModel = (name: (typeof SHARED_MODELS)[number]): string => sharedPath("models", `${name}.onnx`);
