import { constants } from "node:fs";
import { type FileHandle, mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Model, parseModel } from "../graph/index.js";
import type { Runner } from "../runtime/index.js";

/**
 * The graph that ONNX Runtime executes for a model on this machine, after all its optimizers. The runtime can only write it
 * to a file: one without a name on Linux, which is gone with this process however that ends, else a temporary one.
 * @throws {RunError} E6003 the runtime cannot load the model.
 */
export async function optimizedModel(runner: Runner, model: Model): Promise<Model> {
  const nameless = await openNameless(tmpdir());
  if (nameless) {
    try {
      await saveOptimized(runner, model, `/proc/self/fd/${nameless.fd}`);
      return parseModel(await nameless.readFile());
    } finally {
      await nameless.close();
    }
  }
  const folder = await mkdtemp(join(tmpdir(), "equant-optimized-"));
  try {
    const path = join(folder, "model.onnx");
    await saveOptimized(runner, model, path);
    return parseModel(await readFile(path));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function saveOptimized(runner: Runner, model: Model, path: string): Promise<void> {
  const session = await runner.open(model, { optimizedModelPath: path, purpose: "optimize" });
  await session.dispose();
}

/** O_TMPFILE of Linux, which Node does not list; undefined where the system or the disk has no such files. */
async function openNameless(folder: string): Promise<FileHandle | undefined> {
  if (process.platform !== "linux") return undefined;
  return open(folder, 0o20000000 | constants.O_DIRECTORY | constants.O_RDWR, 0o600).catch(() => undefined);
}
