import { resolveQuantizeOptions } from "../quantize/index.js";
import type { DEAD_CHANNELS_OPTIONS } from "../shrink/definition.js";
import {
  type DeadChannelsReport,
  deadChannelValues,
  ORT_CHANNEL_MULTIPLE,
  removeDeadChannels,
} from "../shrink/index.js";
import { shapesOf, statsBehind } from "./collect.js";
import type { FloatWork } from "./state.js";

/** Removing channels pays in size and speed besides: it may lose more than the noise of the probe. */
const MAY_LOSE_DB = 0.5;

/** Removes channels that are constant. */
export const deadChannels: FloatWork<typeof DEAD_CHANNELS_OPTIONS> = {
  requiredDb: () => -MAY_LOSE_DB,
  async apply(model, { observed = true }, { quantize, known }, context) {
    const shapes = await shapesOf(model, context);
    const stats = observed ? await statsBehind(model, deadChannelValues(model, shapes), known, context) : undefined;
    // ONNX Runtime's kernels work on blocks of channels: half a block costs as much as a whole one, or more.
    const channelMultiple = resolveQuantizeOptions(quantize).spec.onnxRuntime ? ORT_CHANNEL_MULTIPLE : 1;
    const options = { shapes, observed, channelMultiple, ...(stats && { stats }) };
    const { shapes: _shapes, ...report } = await removeDeadChannels(options)(model, context);
    return { modified: report.modified, note: describe(report), report };
  },
};

function describe(report: Omit<DeadChannelsReport, "shapes">): string {
  const removed = report.removed.reduce((sum, { removed }) => sum + removed.length, 0);
  const zeroed = report.zeroed.reduce((sum, { outputs }) => sum + outputs.length, 0);
  if (removed + zeroed === 0) return "no dead channels";
  const saved = 100 * (1 - report.after.macs / report.before.macs);
  return `${removed} dead channels removed, ${zeroed} set to zero, ${saved.toFixed(1)} % of MACs`;
}
