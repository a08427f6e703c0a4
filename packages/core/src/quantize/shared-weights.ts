import type { Encoding } from "../math/index.js";
import type { LayerParameters } from "./parameters.js";

/**
 * One encoding for all layers that read one weight, so that the file holds it once: the largest of the scales that they would choose alone
 * (for a bias that must fit, or products that must not saturate). Layers whose encodings agree, or that read a weight along different
 * axes, are left out.
 */
export function sharedEncodings(parameters: readonly LayerParameters[]): Map<LayerParameters, Encoding> {
  const groups = new Map<string, LayerParameters[]>();
  for (const own of parameters) {
    const key = JSON.stringify([own.layer.weight, own.layer.outAxis, own.weight.encoding.axis]);
    groups.set(key, [...(groups.get(key) ?? []), own]);
  }
  const shared = new Map<LayerParameters, Encoding>();
  for (const group of groups.values()) {
    if (group.length < 2) continue;
    const encoding = group.map(({ weight }) => weight.encoding).reduce(joined);
    for (const own of group)
      if (!same(own.weight.encoding, encoding)) for (const other of group) shared.set(other, encoding);
  }
  return shared;
}

/** The larger scale of each channel; unsigned where one of them is. */
function joined(a: Encoding, b: Encoding): Encoding {
  const base = a.dtype.startsWith("uint") ? a : b;
  return { ...base, scale: a.scale.map((scale, at) => Math.max(scale, b.scale[at]!)) };
}

function same(a: Encoding, b: Encoding): boolean {
  return a.dtype === b.dtype && a.scale.every((scale, at) => scale === b.scale[at]);
}
