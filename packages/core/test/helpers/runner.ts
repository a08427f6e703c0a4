import * as ort from "onnxruntime-node";
import { createRunner } from "../../src/runtime/index.js";

/** The runner of the tests: onnxruntime-node on both cores. */
export const runner = createRunner(ort as never, { threads: 2 });
