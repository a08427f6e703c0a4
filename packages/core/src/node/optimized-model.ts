import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Model, parseModel } from "../graph/index.js";
import type { Runner } from "../runtime/index.js";

/**
 * The graph that ONNX Runtime executes for a model on this machine, after all its optimizers: written by the runtime
 * to a temporary file, which is removed.
 * @throws {RunError} E6003 the runtime cannot load the model.
 */
export async function optimizedModel(runner: Runner, model: Model): Promise<Model> {
  const folder = await mkdtemp(join(tmpdir(), "equant-optimized-"));
  try {
    const path = join(folder, "model.onnx");
    const session = await runner.open(model, { optimizedModelPath: path, purpose: "optimize" });
    await session.dispose();
    return parseModel(await readFile(path), { file: path });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
