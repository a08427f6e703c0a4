import type { LayerWeights, MaximaPair } from "@equant/report";
import { formatNumber } from "../../format.js";
import type { EqualizePreview } from "../../protocol.js";
import { selectLayer } from "../../state/selection.js";
import { selectedLayer } from "../../state/store.js";
import { Chart } from "./chart.js";
import { DataTable } from "./data-table.js";
import { type Fact, Facts } from "./facts.js";
import { Panel } from "./panel.js";

interface EqualizeResultProps {
  readonly value: EqualizePreview;
  readonly stale: boolean;
  readonly onRecompute: () => void;
}

/** Classes, spreads and weights before and after. */
export function EqualizeResult({ value, stale, onRecompute }: EqualizeResultProps) {
  const { report, weights, section } = value;
  const gained = [...report.layers].sort((a, b) => b.before / b.after - a.before / a.after);
  const layer =
    weights.find(({ layer }) => layer === selectedLayer.value) ??
    weights.find(({ layer }) => layer === gained[0]?.node);
  const pair = section.pairs.find(({ producer }) => producer === layer?.layer) ?? section.pairs[0];
  const widest = report.layers.reduce((most, { before }) => Math.max(most, before), 1);
  const after = report.layers.reduce((most, { after }) => Math.max(most, after), 1);
  const facts: Fact[] = [
    { name: "Classes of channels", value: String(report.classes.length) },
    { name: "Channels scaled", value: String(report.classes.reduce((sum, { channels }) => sum + channels, 0)) },
    {
      name: "Widest spread",
      value: `${widest.toFixed(1)}× → ${after.toFixed(1)}×`,
      note: "largest over smallest channel",
    },
    ...(report.noise
      ? [
          {
            name: "Predicted noise",
            value: `${(10 * Math.log10(report.noise.after / report.noise.before)).toFixed(1)} dB`,
            note: report.proof ? `within ${(100 * report.proof.gap).toFixed(1)} % of the optimum` : undefined,
          },
        ]
      : []),
    ...(report.drift
      ? [{ name: "Drift of outputs", value: formatNumber(report.drift.max), note: "largest, share of their range" }]
      : []),
  ];
  return (
    <>
      <Facts facts={facts} />
      <Panel
        title="Weights before and after"
        level="measured"
        stale={stale}
        onRecompute={onRecompute}
        hint="select a layer to see it"
      >
        {layer && <Chart name="weight-ranges" args={[layer as LayerWeights]} />}
        {pair && <Chart name="channel-maxima" args={[pair as MaximaPair]} />}
      </Panel>
      <Panel
        title="Classes"
        stale={stale}
        hint="channels that must share one factor: producers multiply, consumers divide"
      >
        <DataTable
          label="Classes"
          columns={[
            { title: "Producers", cell: ({ producers }) => producers.join(", "), text: true },
            { title: "Consumers", cell: ({ consumers }) => consumers.join(", "), text: true },
            { title: "Channels", cell: ({ channels }) => channels },
            {
              title: "Factors",
              cell: ({ minFactor, maxFactor }) => `${formatNumber(minFactor)} … ${formatNumber(maxFactor)}`,
            },
          ]}
          rows={report.classes}
          keyOf={({ id }) => String(id)}
          onSelect={({ producers }) => selectLayer(producers[0] ?? null)}
        />
        {report.undone.map(({ class: id, reason, producers }) => (
          <p class="note" key={id}>
            {producers.join(", ")}: undone, {reason}
          </p>
        ))}
      </Panel>
      {report.skipped.length > 0 && (
        <Panel title="Not scaled" hint="and why">
          <DataTable
            label="Not scaled"
            columns={[
              { title: "Node", cell: ({ node }) => node },
              { title: "Operator", cell: ({ opType }) => opType, text: true },
              { title: "Reason", cell: ({ reason }) => reason, text: true },
            ]}
            rows={report.skipped}
            keyOf={({ node }, index) => node + index}
          />
        </Panel>
      )}
    </>
  );
}
