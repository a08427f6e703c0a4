import type { ChannelFlow } from "../equalize/channel-flow.js";
import { type LinearLayer, labelOf } from "../graph/index.js";
import type { RemovalGroups } from "./removal-groups.js";

/** Groups that shall go (1) or stay (0), and why those stay that somebody wanted to remove. */
export interface Removal {
  readonly going: Uint8Array;
  readonly reasons: Map<number, string>;
}

/**
 * Takes groups back that a layer cannot lose: the last channel of a value, and unequal numbers of channels in the groups
 * of a convolution. Returns true when it took one back; call it until it returns false.
 */
export function takeBack(flow: ChannelFlow, groups: RemovalGroups, removal: Removal): boolean {
  let changed = false;
  const keep = (value: string, channel: number, reason: string) => {
    const group = groups.ofValue.get(value)![channel]!;
    if (removal.going[group] === 0) return;
    removal.going[group] = 0;
    removal.reasons.set(group, reason);
    changed = true;
  };
  for (const [value, own] of groups.ofValue) {
    if (own.length > 0 && own.every((group) => removal.going[group] === 1)) {
      keep(value, 0, `it is the last channel of "${value}"`);
    }
  }
  for (const { layer } of flow.nodes) {
    if (layer && layer.group > 1 && !layer.depthwise) evenOut(layer, groups, removal, keep);
  }
  return changed;
}

/** Whole groups may go; of the others each must lose as many inputs and as many outputs as every other. */
function evenOut(
  layer: LinearLayer,
  groups: RemovalGroups,
  { going }: Removal,
  keep: (value: string, channel: number, reason: string) => void,
): void {
  const sides = [layer.input, layer.output].map((value) => {
    const own = groups.ofValue.get(value)!;
    const size = own.length / layer.group;
    const leaving = Array.from({ length: layer.group }, (_, group) =>
      Array.from({ length: size }, (_unused, k) => group * size + k).filter((channel) => going[own[channel]!] === 1),
    );
    return { value, size, leaving };
  });
  const whole = Array.from({ length: layer.group }, (_, group) =>
    sides.every(({ size, leaving }) => leaving[group]!.length === size),
  );
  const reason = `the groups of ${layer.opType} "${labelOf(layer.node)}" must stay of equal size`;
  for (const { value, leaving, size } of sides) {
    const others = leaving.filter((_, group) => !whole[group]);
    // A group that keeps outputs needs an input, and one that keeps inputs feeds an output.
    const each = Math.min(size - 1, ...others.map((channels) => channels.length));
    for (const channels of others) for (const channel of channels.slice(each)) keep(value, channel, reason);
  }
}
