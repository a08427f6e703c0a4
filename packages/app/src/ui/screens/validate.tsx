import type { ValidationSection } from "@equant/report";
import { formatBytes, formatChange, formatDb, formatMs, formatPercent } from "../../format.js";
import { measureRun } from "../../state/actions.js";
import { isRunStale } from "../../state/derived.js";
import { selectLayer } from "../../state/selection.js";
import { activity, currentMeasures, currentRun } from "../../state/store.js";
import { Chart } from "../parts/chart.js";
import { Confusions } from "../parts/confusions.js";
import { DataTable } from "../parts/data-table.js";
import { GraphPanel } from "../parts/graph-panel.js";
import { MetricCards } from "../parts/metric-cards.js";
import { Needs } from "../parts/needs.js";
import { Head, Panel } from "../parts/panel.js";
import { Verdict } from "../parts/verdict.js";
import { WorstSamples } from "../parts/worst-samples.js";

/** What the quantized network is worth, and which layers lose. */
export function ValidateScreen() {
  const run = currentRun.value;
  if (!run) {
    return (
      <>
        <Head title="Validate" />
        <Needs action="Run the recipe" to="quantize">
          There is no result yet to compare with the original.
        </Needs>
      </>
    );
  }
  const { validation, report } = currentMeasures.value;
  const sqnr = report?.sqnr;
  const section = validation as ValidationSection | undefined;
  const stale = isRunStale.value;
  const layers = [...(sqnr?.layers ?? [])].sort((a, b) => a.local.both - b.local.both);
  return (
    <>
      <Head title="Validate">
        The result against the float original on the same images, kept apart from calibration.
      </Head>
      {!validation && activity.value?.screen === "validate" && (
        <Panel title="Measuring" hint="first every layer on 32 images, then both networks on the images kept apart">
          <div class="skeleton" aria-hidden="true" />
        </Panel>
      )}
      {!validation && activity.value?.screen !== "validate" && (
        <div class="row">
          <button
            type="button"
            class="button primary"
            disabled={activity.value !== null || stale}
            onClick={() => void measureRun()}
          >
            Measure
          </button>
        </div>
      )}
      {validation && <Verdict stale={stale} />}
      {validation && <MetricCards report={validation} stale={stale} />}
      {sqnr && (
        <Panel
          title="Signal over noise, layer by layer"
          level="sampled"
          stale={stale}
          hint="SQNR in decibels: higher is better"
        >
          <Chart name="sqnr-prediction" args={[sqnr, { predicted: "refined" }]} />
        </Panel>
      )}
      {sqnr && (
        <Panel
          title="Culprits and victims"
          level="sampled"
          stale={stale}
          hint="local: by itself; cumulative: with all before it"
        >
          <Chart name="sqnr-kinds" args={[sqnr]} />
        </Panel>
      )}
      {report?.curves && (
        <Panel title="What the steps gained" level="sampled" stale={stale}>
          <Chart name="sqnr-states" args={[report.curves]} />
        </Panel>
      )}
      {section?.candidate.accuracy && <Confusions key={run.id} section={section} stale={stale} />}
      {report?.sampleErrors && (
        <Panel
          title="Error by image"
          level={report.sampleErrors.source === "validation" ? "measured" : "sampled"}
          stale={stale}
        >
          <Chart name="sample-errors" args={[report.sampleErrors]} />
        </Panel>
      )}
      {validation && validation.worstSamples.length > 0 && <WorstSamples report={validation} stale={stale} />}
      {report && (
        <Panel title="Sizes" level="measured" stale={stale}>
          <Chart name="layer-sizes" args={[report.layers]} />
        </Panel>
      )}
      {report && <GraphPanel />}
      {sqnr && (
        <Panel
          title="Layers"
          level="sampled"
          stale={stale}
          hint="local low: culprit; cumulative low while local is not: victim"
        >
          <DataTable
            label="Layers by SQNR"
            columns={[
              { title: "Layer", cell: ({ layer }) => layer },
              { title: "Local", cell: ({ local }) => formatDb(local.both) },
              { title: "Cumulative", cell: ({ cumulative }) => formatDb(cumulative?.both) },
              { title: "Weights", cell: ({ local }) => formatDb(local.weights) },
              { title: "Activations", cell: ({ local }) => formatDb(local.activations) },
              { title: "Predicted", cell: ({ predicted }) => formatDb(predicted.refined.both) },
              { title: "Kind of loss", cell: ({ findings }) => findings[0]?.text ?? "", text: true },
            ]}
            rows={layers}
            keyOf={({ layer }) => layer}
            onSelect={({ layer }) => selectLayer(layer)}
          />
        </Panel>
      )}
      {validation && (
        <p class="hint">
          {formatBytes(run.model.bytes)} → {formatBytes(run.outcome.bytes.length)} (
          {formatChange(run.model.bytes, run.outcome.bytes.length)}
          ), output SQNR {formatDb(validation.logitSqnrDb)}, same answer on {formatPercent(validation.agreement ?? 0)}{" "}
          of {validation.samples} images; the recipe took {formatMs(run.outcome.ms)}.
        </p>
      )}
    </>
  );
}
