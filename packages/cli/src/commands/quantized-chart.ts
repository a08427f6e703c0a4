import type { Dataset } from "@equant/core";
import type { NetworkState } from "@equant/report";
import { writeChart } from "../files/chart-file.js";
import type { CommandContext } from "../frame/context.js";

/** Samples whose activations are counted by exponent for a chart. */
const COUNTED = 8;

/** Writes the most significant bits of weights, biases and activations against the types they got (MathWorks' quantization page). */
export async function writeMsbChart(
  context: CommandContext,
  path: string,
  state: NetworkState,
  dataset: Dataset,
): Promise<void> {
  const report = await import("@equant/report");
  const rows = await context.phase("chart", async () => {
    const nameOf = report.layerNames(state.floatModel);
    const core = await context.transformContext();
    const observed = await report.observeActivations(state, dataset, COUNTED, nameOf, core);
    return [...report.collectParameterMsb(state), ...report.activationMsb(observed)];
  });
  await writeChart(context, path, "msb-heatmap", rows);
}
