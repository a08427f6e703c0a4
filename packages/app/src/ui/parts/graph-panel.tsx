import { computed, signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import type { GraphSummary, Overlay, OverlayMetric } from "../../graph-view/index.js";
import { layerRows } from "../../state/layer-rows.js";
import { currentMeasures, model, selectedLayer } from "../../state/store.js";
import { Select } from "./fields.js";
import { Panel } from "./panel.js";

const metric = signal<OverlayMetric>("sqnr");

/** The network without what was measured: it changes with the model only, so that nothing is laid out again. */
const graph = computed((): GraphSummary => {
  const { inspect } = model.value!;
  return {
    nodes: inspect.nodes.map(({ name, opType, inputs, outputs, bytes, macs }) => ({
      id: name,
      name,
      opType,
      inputs,
      outputs,
      weightBytes: bytes,
      ...(macs !== null && { macs }),
    })),
    inputs: inspect.inputs.map(({ name }) => name),
    outputs: inspect.outputs.map(({ name }) => name),
  };
});

const overlay = computed((): Overlay => {
  const hasRun = currentMeasures.value.report !== undefined;
  const rows = layerRows.value;
  const values = (of: (row: (typeof rows)[number]) => number) =>
    Object.fromEntries(rows.map((row) => [row.name, of(row)]));
  if (metric.value === "sqnr") {
    return {
      metric: "sqnr",
      basis: hasRun ? "sampled" : "predicted",
      values: values((row) => row.localDb ?? row.weightDb),
    };
  }
  if (metric.value === "bits") return { metric: "bits", values: values((row) => row.bits ?? (row.quantized ? 8 : 32)) };
  return { metric: metric.value };
});

/** The network as a graph; its code is loaded when it is first shown. */
export function GraphPanel() {
  const [view, setView] = useState<typeof import("../../graph-view/index.js") | null>(null);
  useEffect(() => {
    let current = true;
    void import("../../graph-view/index.js").then((module) => current && setView(() => module as never));
    return () => {
      current = false;
    };
  }, []);
  if (!model.value) return null;
  const GraphView = view?.GraphView;
  return (
    <Panel title="Graph" hint="arrows walk, Enter unfolds, / searches; the layer table below holds the same">
      <div class="fields">
        <Select
          label="Colour"
          value={metric.value}
          options={[
            { value: "sqnr", text: "SQNR" },
            { value: "bits", text: "bits" },
            { value: "size", text: "size" },
            { value: "macs", text: "MACs" },
            { value: "none", text: "none" },
          ]}
          onChange={(value) => {
            metric.value = value;
          }}
        />
      </div>
      <div class="graph-host" id="graph">
        {GraphView ? <GraphView graph={graph} selection={selectedLayer} overlay={overlay} /> : <div class="skeleton" />}
      </div>
    </Panel>
  );
}
