import type { Overlay, OverlayMetric, SummaryNode } from "@equant/report/graph";
import { nodeValue } from "@equant/report/graph";

/** A parsed query. An empty one matches nothing: there is nothing to show. */
export interface Search {
  readonly empty: boolean;
  /** What could not be understood, for people; such a term matches nothing. */
  readonly problems: readonly string[];
  test(node: SummaryNode, overlay?: Overlay): boolean;
}

const METRICS: ReadonlyMap<string, OverlayMetric> = new Map(
  Object.entries<OverlayMetric>({
    sqnr: "sqnr",
    bits: "bits",
    size: "size",
    sparsity: "sparsity",
    macs: "macs",
  }),
);
const COMPARE: ReadonlyMap<string, (a: number, b: number) => boolean> = new Map(
  Object.entries<(a: number, b: number) => boolean>({
    "<": (a, b) => a < b,
    "<=": (a, b) => a <= b,
    ">": (a, b) => a > b,
    ">=": (a, b) => a >= b,
    "=": (a, b) => a === b,
  }),
);
const UNITS: ReadonlyMap<string, number> = new Map(
  Object.entries<number>({ "": 1, k: 1e3, m: 1e6, g: 1e9, "%": 0.01 }),
);

type Term = (node: SummaryNode, overlay?: Overlay) => boolean;

/**
 * Terms between spaces, all of which must match: text found in the name or the operator; `op:Conv` and `name:stem`
 * for one of them; `sqnr<20`, `bits=8`, `size>10k`, `macs>=1M`, `sparsity>50%` by value (dB, bits, bytes, MACs,
 * share). Case does not matter. A node without the value does not match.
 */
export function parseSearch(text: string): Search {
  const problems: string[] = [];
  const terms = text
    .trim()
    .split(/\s+/)
    .filter(Boolean)
    .map((word) => parseTerm(word, problems));
  return {
    empty: terms.length === 0,
    problems,
    test: (node, overlay) => terms.length > 0 && terms.every((term) => term(node, overlay)),
  };
}

function parseTerm(word: string, problems: string[]): Term {
  const comparison = /^([a-z]+)(<=|>=|<|>|=)(.*)$/i.exec(word);
  if (comparison) {
    const [, key, sign, operand] = comparison as unknown as [string, string, string, string];
    const metric = METRICS.get(key.toLowerCase());
    if (!metric) return wrong(problems, `search: unknown value "${key}", expected ${[...METRICS.keys()].join(", ")}`);
    const number = /^(-?\d+(?:\.\d+)?|-?\.\d+)(k|m|g|%)?(?:b|db|bit|bits)?$/i.exec(operand);
    if (!number) return wrong(problems, `search: "${operand}" after ${key}${sign} is no number`);
    const limit = Number(number[1]) * UNITS.get((number[2] ?? "").toLowerCase())!;
    return (node, overlay) => {
      const value = nodeValue(node, metric, overlay);
      return value !== undefined && COMPARE.get(sign)!(value, limit);
    };
  }
  const prefixed = /^(op|name):(.+)$/i.exec(word);
  const needle = (prefixed?.[2] ?? word).toLowerCase();
  const where = prefixed?.[1]?.toLowerCase();
  return ({ name, opType }) =>
    (where !== "op" && name.toLowerCase().includes(needle)) ||
    (where !== "name" && opType.toLowerCase().includes(needle));
}

function wrong(problems: string[], problem: string): Term {
  problems.push(problem);
  return () => false;
}
