import { type Box, nonMaximumSuppression } from "../../metrics/index.js";
import type { FoundThing } from "../answer.js";
import type { HeadSettings } from "./head.js";

export const SCORE = 0.05;
/** Of a class, so many of the best boxes are looked at. */
const CANDIDATES = 1000;
const MOST = 100;

/** The best boxes by class, without those that overlap better ones. */
export function keepBest(found: readonly FoundThing[], settings: HeadSettings, candidates = CANDIDATES): FoundThing[] {
  const { iou = 0.5, agnostic = false, most = MOST } = settings;
  const groups = new Map<number, FoundThing[]>();
  for (const one of found) {
    const group = agnostic ? 0 : one.class;
    const members = groups.get(group);
    if (members) members.push(one);
    else groups.set(group, [one]);
  }
  return [...groups.values()].flatMap((members) => {
    const order = members.map((_, index) => index).sort((a, b) => members[b]!.score - members[a]!.score || a - b);
    const best = order.slice(0, candidates).map((index) => members[index]!);
    return nonMaximumSuppression(best, { iou, agnostic, most }).map((index) => best[index]!);
  });
}

/** Centre and size → box. */
export function boxAround(x: number, y: number, width: number, height: number): Box {
  return [x - width / 2, y - height / 2, width, height];
}
