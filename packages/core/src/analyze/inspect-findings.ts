import { isOp, type Model, type Node, requiredInputs, tensorsOf, validateModel } from "../graph/index.js";
import { clipBounds } from "../operators/attributes.js";
import { nonFiniteWeights } from "../operators/finite-weights.js";
import { otherFloatType } from "../operators/index.js";
import type { Finding, FindingKind, InspectedNode } from "./inspect-report.js";
import { isQuantized } from "./int8-coverage.js";
import { type ConstantLookup, constantLookup } from "./parameter-count.js";
import type { WeightRanges } from "./weight-ranges.js";

/** One scale for the tensor leaves a channel this much narrower fewer than 4 bits of 8. */
const NOTABLE_SPREAD = 16;
const OLDEST_OPSET = 13;

interface Seen {
  readonly nodes: readonly InspectedNode[];
  readonly ranges: WeightRanges;
  readonly hasMacs: boolean;
}

/** What stands in the way of compressing a model, or can be gained; worst first. */
export function findingsOf(model: Model, seen: Seen): Finding[] {
  const findings: Finding[] = [];
  const add = (kind: FindingKind, names: readonly string[], message: string, count = names.length) => {
    if (count > 0) findings.push({ kind, message, count, names });
  };
  const issues = validateModel(model);
  add(
    "invalid",
    issues.flatMap(({ node, tensor }) => node ?? tensor ?? []),
    `invalid: ${issues[0]?.message}`,
    issues.length,
  );
  const broken = nonFiniteWeights(model);
  add(
    "nonFinite",
    broken.map(({ tensor }) => tensor),
    `NaN or Inf in ${plural(broken.length, "tensor")} (${broken[0]?.tensor})`,
  );
  const half = otherFloatType(model);
  add("halfPrecision", [], `weights are ${half}: quantizing makes them float32 first`, half === undefined ? 0 : 1);
  if (isQuantized(model)) add("quantized", [], "already quantized", 1);
  const opset = model.opsets.get("") ?? OLDEST_OPSET;
  if (opset < OLDEST_OPSET) add("oldOpset", [], `opset ${opset} will be raised to 17`, 1);
  addWeights(seen.ranges, add);
  addClips(model, add);
  addOutside(model, seen, add);
  return findings;
}

type Add = (kind: FindingKind, names: readonly string[], message: string, count?: number) => void;

function addWeights({ layers, foldable }: WeightRanges, add: Add): void {
  add("batchNorms", [], `${foldable} BatchNormalization foldable`, foldable);
  const wide = layers.filter(({ spread }) => spread >= NOTABLE_SPREAD).sort((a, b) => b.spread - a.spread);
  add(
    "rangeSpread",
    wide.map(({ name }) => name),
    `range spread up to ${spreadText(wide[0]?.spread)} between channels (${wide[0]?.name})`,
  );
  const dead = layers.filter(({ deadChannels }) => deadChannels > 0);
  const channels = dead.reduce((sum, { deadChannels }) => sum + deadChannels, 0);
  add(
    "deadChannels",
    dead.map(({ name }) => name),
    `${plural(channels, "channel")} without weights in ${plural(dead.length, "layer")}`,
    channels,
  );
}

/** `214x`, `8.9x` */
function spreadText(spread = 1): string {
  return `${spread >= 10 ? Math.round(spread) : spread.toFixed(1)}x`;
}

/** ReLU6 and its like: their bound is not homogeneous, so equalization has to take it along. */
function addClips({ graph }: Model, add: Add): void {
  const lookup = constantLookup(graph);
  const byBounds = new Map<string, string[]>();
  for (const node of graph.nodes) {
    const bounds = boundsOf(node, lookup);
    if (!bounds) continue;
    const text = `Clip(${bounds.join(",")})`;
    byBounds.set(text, [...(byBounds.get(text) ?? []), node.name]);
  }
  for (const [text, names] of byBounds) add("boundedRelu", names, `${text} x${names.length} bounds equalization`);
}

/** Bounds of a Clip that starts at 0 and ends somewhere. */
function boundsOf(node: Node, lookup: ConstantLookup): number[] | undefined {
  if (!isOp(node, "Clip")) return undefined;
  const { low, high } = clipBounds(node, (value) => lookup(value)?.tensor);
  return low === 0 && high !== undefined && high < 1e30 ? [low, Number(high.toPrecision(6))] : undefined;
}

function addOutside(model: Model, { nodes, hasMacs }: Seen, add: Add): void {
  const external = [...tensorsOf(model)].filter(({ tensor }) => tensor.external);
  const files = [...new Set(external.map(({ tensor }) => tensor.external!.location))];
  add("externalData", files, `weights of ${plural(external.length, "tensor")} lie in ${files.join(", ")}`);
  const open = requiredInputs(model.graph).filter(
    ({ shape }) => !shape || shape.slice(1).some((dim) => typeof dim !== "number"),
  );
  add(
    "openSizes",
    open.map(({ name }) => name),
    `open sizes besides the batch: ${open.map(({ name }) => name).join(", ")}`,
  );
  if (!hasMacs) {
    const unknown = nodes.filter(({ macs }) => macs === null).map(({ name }) => name);
    add("noSizes", unknown, "sizes of values unknown: operations are not counted");
  }
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
