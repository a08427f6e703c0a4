import type { LayerRow, MsbRow } from "@equant/report";
import { formatBytes, formatCount, formatDb, formatShape } from "../../format.js";
import type { LayerSummary } from "../../protocol.js";
import { model } from "../../state/store.js";
import { Chart } from "../parts/chart.js";
import { DataTable } from "../parts/data-table.js";
import { Facts } from "../parts/facts.js";
import { Findings } from "../parts/findings.js";
import { GraphPanel } from "../parts/graph-panel.js";
import { Needs } from "../parts/needs.js";
import { Head, Panel } from "../parts/panel.js";
import { WeightsPanel } from "../parts/weights-panel.js";

/** The same object each time: a chart is drawn again when its arguments change. */
const BEFORE = { of: "before" } as const;
const rows = new WeakMap<readonly LayerSummary[], LayerRow[]>();

/** Layers of a float model as a report lists them. */
function sizes(layers: readonly LayerSummary[]): LayerRow[] {
  const known = rows.get(layers);
  if (known) return known;
  const made = layers.map(({ name, opType, shape, parameters, bytes }) => ({
    name,
    opType,
    shape: [...shape],
    parameters,
    bytesBefore: bytes,
    bytesAfter: bytes,
    bits: 32,
  }));
  rows.set(layers, made);
  return made;
}

/** What the model is made of, before anything is run. */
export function ModelScreen() {
  const open = model.value;
  if (!open) {
    return (
      <>
        <Head title="Model" />
        <Needs action="Open a model or the demo" to="start">
          No model is open. Drop an .onnx file anywhere.
        </Needs>
      </>
    );
  }
  const { inspect, layers, inputShape, bytes, msb } = open;
  const worst = [...layers].sort((a, b) => a.weightDb.perTensor - b.weightDb.perTensor)[0];
  return (
    <>
      <Head title="Model">
        What is in the file, and what rounding its weights to 8 bits would do. No image was needed for this.
      </Head>
      <Facts
        facts={[
          { name: "Size", value: formatBytes(bytes) },
          { name: "Parameters", value: formatCount(inspect.parameters) },
          {
            name: "Multiply–accumulates",
            value: inspect.macs === null ? "unknown" : formatCount(inspect.macs),
            note: "one sample",
          },
          { name: "Operators", value: formatCount(inspect.nodes.length), note: `opset ${inspect.opset ?? "unknown"}` },
          { name: "Input", value: formatShape(inputShape) },
          {
            name: "Lowest weight SQNR",
            value: formatDb(worst?.weightDb.perTensor),
            note: worst && `${worst.name}, int8 per tensor, predicted`,
          },
        ]}
      />
      <Findings findings={inspect.findings} />
      <Panel title="Operators">
        <DataTable
          label="Operators"
          columns={[
            { title: "Operator", cell: ({ opType }) => opType },
            { title: "Count", cell: ({ count }) => count },
            { title: "Parameters", cell: ({ parameters }) => formatCount(parameters) },
            { title: "MACs", cell: ({ macs }) => (macs === null ? "?" : formatCount(macs)) },
            { title: "On integers", cell: ({ quantizable }) => quantizable, text: true },
          ]}
          rows={inspect.operators}
          keyOf={({ opType }) => opType}
        />
      </Panel>
      <WeightsPanel />
      <GraphPanel />
      <Panel title="Size by layer" hint="as stored in the file">
        <Chart name="layer-treemap" args={[sizes(layers), BEFORE]} />
      </Panel>
      <Panel
        title="Most significant bits of the weights"
        level="predicted"
        hint="compared with int8, one scale per tensor"
      >
        <Chart name="msb-heatmap" args={[msb as MsbRow[]]} />
      </Panel>
    </>
  );
}
