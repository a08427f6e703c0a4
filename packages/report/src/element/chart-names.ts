import { CHART_IDS, type Chart, type ChartId, chartRow, chartsOf } from "../charts/index.js";
import type { Report } from "../schema.js";

/** Names of earlier versions that are not the present one in another spelling. */
const EARLIER: ReadonlyMap<string, ChartId> = new Map(
  Object.entries<ChartId>({
    "confusion-pair": "confusion",
    "latency-bars": "latency",
    "value-histogram": "histogram",
  }),
);

/** The chart that a name in the attribute `charts` means; names in camel case are those of earlier versions. */
export function idOf(name: string): ChartId | undefined {
  const spelled = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return CHART_IDS.find((id) => id === spelled) ?? EARLIER.get(spelled);
}

/** Charts that a report has what they need for; `names` chooses and orders them. Those of a layer need one. */
export function chartsNamed(
  report: Report,
  names: readonly string[] | undefined,
  layer: string | undefined,
): { id: ChartId; chart: Chart }[] {
  const asked = names && names.length > 0 ? names.flatMap((name) => idOf(name) ?? []) : CHART_IDS;
  return asked
    .filter((id) => (names && names.length > 0) || chartRow(id).viewOf === undefined)
    .flatMap((id) => {
      const ofLayer = chartRow(id).layers !== undefined;
      if (ofLayer && layer === undefined) return [];
      return chartsOf(report, id, ofLayer ? layer : undefined).map((chart) => ({ id, chart }));
    });
}
