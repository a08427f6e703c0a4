import { inspectedGraph, type Overlay } from "@equant/report/graph";
import { computed } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { layerRows } from "../../state/layer-rows.js";
import { currentMeasures, model, selectedLayer } from "../../state/store.js";
import { graphColour } from "../../state/view.js";
import { Select } from "./fields.js";
import { Panel } from "./panel.js";

/** The network without what was measured: it changes with the model only, so that nothing is laid out again. */
const graph = computed(() => inspectedGraph(model.value!.inspect));

const overlay = computed((): Overlay => {
  const hasRun = currentMeasures.value.report !== undefined;
  const rows = layerRows.value;
  const values = (of: (row: (typeof rows)[number]) => number) =>
    Object.fromEntries(rows.map((row) => [row.name, of(row)]));
  const colour = graphColour.value;
  if (colour === "sqnr-cumulative" && hasRun) {
    const known = rows.filter(({ cumulativeDb }) => cumulativeDb !== null);
    return {
      metric: "sqnr",
      basis: "sampled",
      values: Object.fromEntries(known.map(({ name, cumulativeDb }) => [name, cumulativeDb!])),
    };
  }
  if (colour === "sqnr-local" || colour === "sqnr-cumulative") {
    return {
      metric: "sqnr",
      basis: hasRun ? "sampled" : "predicted",
      values: values((row) => row.localDb ?? row.weightDb),
    };
  }
  if (colour === "bits") return { metric: "bits", values: values((row) => row.bits ?? (row.quantized ? 8 : 32)) };
  return { metric: colour };
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
          value={graphColour.value}
          options={[
            { value: "sqnr-local", text: "SQNR of the layer itself" },
            { value: "sqnr-cumulative", text: "SQNR with all before it" },
            { value: "bits", text: "bits" },
            { value: "size", text: "size" },
            { value: "macs", text: "MACs" },
            { value: "none", text: "none" },
          ]}
          onChange={(value) => {
            graphColour.value = value;
          }}
        />
      </div>
      <div class="graph-host" id="graph">
        {GraphView ? <GraphView graph={graph} selection={selectedLayer} overlay={overlay} /> : <div class="skeleton" />}
      </div>
    </Panel>
  );
}
