import type { MsbRow } from "@equant/report";
import { formatNumber } from "../../format.js";
import { observeValues, runCalibration } from "../../state/actions.js";
import { calibrationKey } from "../../state/derived.js";
import { selectLayer } from "../../state/selection.js";
import { activity, calibration, data, liveRanges, model, selectedLayer } from "../../state/store.js";
import { Chart } from "../parts/chart.js";
import { DataTable } from "../parts/data-table.js";
import { Needs } from "../parts/needs.js";
import { Head, Panel } from "../parts/panel.js";

/** Ranges of every value over the data. */
export function CalibrateScreen() {
  if (!model.value || !data.value) {
    return (
      <>
        <Head title="Calibrate" />
        <Needs action={model.value ? "Choose data" : "Open a model"} to={model.value ? "data" : "start"}>
          Calibration runs the model over images and notes the range of every value. It needs a model and images.
        </Needs>
      </>
    );
  }
  const entry = calibration.value;
  const now = activity.value;
  const running = now?.call === "calibrate";
  const stale = entry !== null && entry.key !== calibrationKey.value;
  const start = () => void runCalibration();
  const observed = entry?.value.observed;
  const histogram = observed?.histograms.find(({ layer }) => layer === selectedLayer.value);
  return (
    <>
      <Head title="Calibrate">
        Runs the float model over {data.value.value.calibrate} samples and notes the range of every value: it becomes
        the scale of the integers.
      </Head>
      <div class="row">
        <button type="button" class="button primary" disabled={now !== null} onClick={start}>
          {entry ? "Calibrate again" : "Calibrate"}
        </button>
        {entry?.value.convergence && !running && (
          <span class="hint">
            {entry.value.samples} samples; ranges stable after {entry.value.convergence.stableAfter}
          </span>
        )}
      </div>
      {running && liveRanges.value.length > 0 && (
        <Panel title="Ranges so far" hint={`${now.done}/${now.total} samples`}>
          <DataTable
            label="Ranges so far"
            columns={[
              { title: "Value", cell: ({ name }) => name },
              { title: "Min", cell: ({ min }) => formatNumber(min) },
              { title: "Max", cell: ({ max }) => formatNumber(max) },
            ]}
            rows={liveRanges.value}
            keyOf={({ name }) => name}
          />
        </Panel>
      )}
      {entry?.value.convergence && !running && (
        <Panel title="Were there enough images?" level="measured" stale={stale}>
          <Chart name="range-convergence" args={[entry.value.convergence]} />
        </Panel>
      )}
      {histogram && !running && (
        <Panel title="Values of the selected layer" level="sampled" stale={stale}>
          <Chart name="histogram" args={[histogram]} />
        </Panel>
      )}
      {entry && !running && (
        <Panel
          title="Most significant bits"
          level="sampled"
          stale={stale}
          hint="of the activations, on 8 images; hatched: the chosen type cannot hold them"
        >
          {observed ? (
            <Chart name="msb-heatmap" args={[observed.msb as MsbRow[]]} />
          ) : now ? (
            <div class="skeleton" />
          ) : (
            <button type="button" class="button" onClick={() => void observeValues()}>
              Count the values
            </button>
          )}
        </Panel>
      )}
      {entry && !running && (
        <Panel title="Statistics" level="measured" stale={stale} onRecompute={start}>
          <DataTable
            label="Statistics"
            columns={[
              { title: "Layer", cell: ({ networkLayerName }) => networkLayerName },
              { title: "Learnables / activations", cell: ({ kind }) => kind, text: true },
              { title: "Min", cell: ({ min }) => formatNumber(min) },
              { title: "Max", cell: ({ max }) => formatNumber(max) },
            ]}
            rows={entry.value.rows}
            keyOf={({ optimizedLayerName }, index) => `${optimizedLayerName}${index}`}
            onSelect={({ networkLayerName }) => selectLayer(networkLayerName)}
          />
        </Panel>
      )}
    </>
  );
}
