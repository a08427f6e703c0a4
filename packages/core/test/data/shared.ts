import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of shared models and data: EQUANT_SHARED, or `shared` beside the repository. */
export const SHARED = process.env.EQUANT_SHARED ?? fileURLToPath(new URL("../../../../../shared", import.meta.url));

/** Path of one shared data set; says what is missing where a test would only fail somewhere later. */
export function sharedData(name: string): string {
  const path = join(SHARED, "data", name);
  if (!existsSync(path)) throw new Error(`${path} is missing; set EQUANT_SHARED`);
  return path;
}
