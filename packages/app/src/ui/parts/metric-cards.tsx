import type { ModelMeasures, ValidationReport } from "@equant/core/lab";
import { formatBytes, formatChange, formatDb, formatMs, formatP, formatPercent } from "../../format.js";
import { type Fact, Facts } from "./facts.js";
import { Panel } from "./panel.js";

function interval(measures: ModelMeasures): string | undefined {
  const range = measures.accuracy?.top1Interval;
  return range && `95 %: ${formatPercent(range.low)} … ${formatPercent(range.high)}`;
}

/** Points lost, and whether that is more than chance. */
function dropFact({ drop, mcNemar, samples }: ValidationReport): Fact[] {
  if (drop === null || mcNemar === null) return [];
  const points = `${drop > 0 ? "−" : drop < 0 ? "+" : ""}${Math.abs(100 * drop).toFixed(2)} pp`;
  const verdict = mcNemar.p < 0.05 ? (drop > 0 ? "worse" : "better") : "no difference shown";
  return [{ name: "Change", value: points, note: `${verdict}, McNemar ${formatP(mcNemar.p)} on ${samples} images` }];
}

/** Accuracy with its interval, size, latency. */
export function MetricCards({ report, stale }: { report: ValidationReport; stale: boolean }) {
  const { baseline, candidate, warnings, logitSqnrDb, agreement, evenDrop } = report;
  const accuracy = (name: string, measures: ModelMeasures | null): Fact[] =>
    measures?.top1 === null || measures?.top1 === undefined
      ? []
      : [{ name, value: formatPercent(measures.top1), note: interval(measures) }];
  const latency = candidate.latencyMs;
  const facts: Fact[] = [
    ...accuracy("Top-1, float", baseline),
    ...accuracy("Top-1, quantized", candidate),
    ...dropFact(report),
    {
      name: "Output SQNR",
      value: formatDb(logitSqnrDb),
      note: agreement === null ? undefined : `same answer on ${formatPercent(agreement)}`,
    },
    {
      name: "File",
      value: formatBytes(candidate.bytes),
      note: baseline ? `${formatChange(baseline.bytes, candidate.bytes)} of ${formatBytes(baseline.bytes)}` : undefined,
    },
    ...(latency !== null
      ? [
          {
            name: "One image",
            value: formatMs(latency),
            note: baseline?.latencyMs ? `float ${formatMs(baseline.latencyMs)}, here, WebAssembly` : "WebAssembly",
          },
        ]
      : []),
  ];
  return (
    <Panel title="Result" level="measured" stale={stale}>
      <Facts facts={facts} />
      {evenDrop && evenDrop.p < 0.05 && (
        <p class="note">The drop is uneven over the classes ({formatP(evenDrop.p)}): some suffer more than others.</p>
      )}
      {warnings.map(({ code, message }) => (
        <p class="note" key={code}>
          {message} <code>{code}</code>
        </p>
      ))}
    </Panel>
  );
}
