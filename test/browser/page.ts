import {
  Calibration,
  calibrate,
  cloneModel,
  createRunner,
  digitDataset,
  parseModel,
  prepareModel,
  quantizationRequests,
  quantize,
  serializeModel,
} from "@equant/core/lab";
import * as ort from "onnxruntime-web/wasm";

/** What the test asks the page to do, and what it gets back. */
declare global {
  interface Window {
    quantizeInPage(
      model: number[],
      calibration: string,
    ): Promise<{ bytes: number[]; calibration: string; top: number[] }>;
  }
}

ort.env.wasm.wasmPaths = "/ort/";
ort.env.wasm.numThreads = globalThis.crossOriginIsolated ? 2 : 1;

window.quantizeInPage = async (bytes, calibrationText) => {
  const runner = createRunner(ort as never);
  const model = parseModel(Uint8Array.from(bytes));
  await prepareModel(model, { runner });
  const own = await calibrate(
    cloneModel(model),
    { requests: quantizationRequests(model, { calibrator: "mse" }) },
    { runner, data: digitDataset({ count: 40, seed: 5 }) },
  );
  await quantize({ calibration: Calibration.parse(calibrationText), calibrator: "mse", granularity: "per-channel" })(
    model,
    {
      runner,
    },
  );
  const result = serializeModel(model);
  const sample = new Float32Array(28 * 28);
  await digitDataset({ count: 1, seed: 9 }).fill(0, sample, 0);
  const outputs = await runner.using(result, (session) =>
    session.run({ [session.inputNames[0]!]: { dtype: "float32", dims: [1, 1, 28, 28], data: sample } }),
  );
  const top = Array.from(Object.values(outputs)[0]!.data as Float32Array);
  return { bytes: Array.from(result), calibration: own.serialize(), top };
};
