import { channelIntervals, constantsOf, type InputRange } from "../bounds/intervals.js";
import type { ActivationStats } from "../calibrate/channel-stats.js";
import { channelFlow, type ObservedShapes } from "../channels/flow.js";
import { removeDead } from "../graph/index.js";
import { readOptions } from "../option.js";
import type { Transform, TransformReport } from "../runtime/index.js";
import { absorbConstants } from "./absorb-constants.js";
import type { Constants } from "./constant-rows.js";
import { analyzeDead } from "./dead-analysis.js";
import {
  type DeadChannels,
  type ModelSize,
  removedChannels,
  sizeOfModel,
  skippedChannels,
  type ZeroedChannels,
  zeroedChannels,
} from "./dead-report.js";
import { DEAD_CHANNELS_OPTIONS } from "./definition.js";
import { observedConstants } from "./observed-constants.js";
import { removalGroups } from "./removal-groups.js";
import { type Removal, requireChannelMultiple, takeBack } from "./removal-limits.js";
import { cutGroups } from "./shrink.js";
import { planZeros } from "./zero-plan.js";

/** Options for {@link removeDeadChannels}. */
export interface DeadChannelsOptions {
  /** Sizes of all values, as `observeShapes` returns them. */
  shapes: ObservedShapes;
  /** What the preprocessing can produce, for proofs. Default: unknown. */
  inputRange?: InputRange | undefined;
  /** Statistics by channel of the values {@link deadChannelValues} names. */
  stats?: ActivationStats | undefined;
  /** Whether channels that were constant on all calibration data count. Default: true. */
  observed?: boolean | undefined;
  /**
   * Numbers of channels of convolutions that are a multiple of this stay one; dead channels kept for it are zeros.
   * ONNX Runtime's CPU kernels work on blocks of 8 or 16 channels: {@link ORT_CHANNEL_MULTIPLE}. Default: 1.
   */
  channelMultiple?: number | undefined;
}

/** What {@link removeDeadChannels} did. */
export interface DeadChannelsReport extends TransformReport {
  readonly transform: "removeDeadChannels";
  /** Channels that left the graph, by layer and kind. */
  readonly removed: readonly DeadChannels[];
  /** Constant channels that could not leave: their weights became zeros, their constants moved into biases. */
  readonly zeroed: readonly ZeroedChannels[];
  readonly before: ModelSize;
  readonly after: ModelSize;
  /** Sizes of all values afterwards. */
  readonly shapes: ObservedShapes;
}

/**
 * Removes channels that are constant, or that nothing reads: their constants move into the readers' biases
 * (b_o += Σ_c W_oc·k_c), then they leave the graph through everything they are coupled with.
 *
 * Preserves the function for every input in `inputRange` as far as channels were proved, and on the calibration data
 * as far as they were observed: one that was silent there may speak elsewhere, so measure, or set `observed: false`.
 * Skips, with the reason: constants other than 0 in front of padding, channels coupled with living ones.
 */
export function removeDeadChannels(options: DeadChannelsOptions): Transform<DeadChannelsReport> {
  const more = ["shapes", "inputRange", "stats", "channelMultiple"];
  const { observed = DEAD_CHANNELS_OPTIONS.observed.default } = readOptions(
    "removeDeadChannels",
    DEAD_CHANNELS_OPTIONS,
    options,
    more,
  );
  const multiple = requireChannelMultiple("removeDeadChannels", options.channelMultiple ?? 1);
  return (model) => {
    const { shapes, inputRange } = options;
    const flow = channelFlow(model.graph, shapes);
    const groups = removalGroups(flow, shapes, model.opsets.get("") ?? 0);
    const constantsWith = (known?: Constants): Constants => {
      const intervals = channelIntervals(flow, shapes, { inputRange, known });
      return new Map([...intervals].map(([value, bounds]) => [value, constantsOf(bounds)]));
    };
    const proved = constantsWith();
    const observes = observed !== false && options.stats !== undefined;
    const constants = observes ? constantsWith(observedConstants(flow, shapes, options.stats!)) : proved;
    const certain = analyzeDead(flow, groups, proved);
    const dead = observes ? analyzeDead(flow, groups, constants) : certain;
    const analysis: Removal = { going: dead.going.slice(), reasons: dead.reasons };
    takeBack(flow, groups, analysis, multiple);

    const before = sizeOfModel(model, shapes);
    const changes = planZeros(flow, groups, dead.going, constants);
    const removed = removedChannels(flow, groups, analysis, certain, proved);
    const skipped = skippedChannels(flow, groups, analysis, constants);
    const { cleared, aliases } = absorbConstants(model, flow, changes);
    const zeroed = zeroedChannels(groups, analysis.going, cleared);
    const widened = new Map(shapes);
    for (const [inner, outer] of aliases) widened.set(inner, shapes.get(outer)!);
    for (const [name, { dims, dtype }] of model.graph.initializers) widened.set(name, { dims, dtype });
    const after = analysis.going.includes(1)
      ? cutGroups(model, channelFlow(model.graph, widened), widened, groups, analysis.going, aliases)
      : widened;
    const modified = cleared.length > 0 || analysis.going.includes(1);
    if (modified) removeDead(model.graph);
    return {
      transform: "removeDeadChannels",
      modified,
      skipped,
      removed,
      zeroed,
      before,
      after: sizeOfModel(model, after),
      shapes: after,
    };
  };
}
