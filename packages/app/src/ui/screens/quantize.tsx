import { formatBytes, formatChange, formatDb, formatMs, formatPercent } from "../../format.js";
import { measureRun, runRecipe } from "../../state/actions.js";
import { isRunStale } from "../../state/derived.js";
import { activity, currentRun, data, model } from "../../state/store.js";
import { keyHint } from "../commands.js";
import { go } from "../navigate.js";
import { AdvicePanel } from "../parts/advice-panel.js";
import { DataTable } from "../parts/data-table.js";
import { Facts } from "../parts/facts.js";
import { FixPanel } from "../parts/fix-panel.js";
import { Needs } from "../parts/needs.js";
import { Head, Panel } from "../parts/panel.js";
import { QuantizeForm } from "../parts/quantize-form.js";

/** The plan, and what it gave. */
export function QuantizeScreen() {
  if (!model.value || !data.value) {
    return (
      <>
        <Head title="Quantize" />
        <Needs action={model.value ? "Choose data" : "Open a model"} to={model.value ? "data" : "start"}>
          Quantization needs a model, and images that say how large its values become.
        </Needs>
      </>
    );
  }
  const run = currentRun.value;
  const start = () => void runRecipe();
  return (
    <>
      <Head title="Quantize">
        The recipe runs as a whole: every step is measured by the outputs of the quantized network, and undone where it
        makes them worse.
      </Head>
      <QuantizeForm />
      <div class="row">
        <button type="button" class="button primary" disabled={activity.value !== null} onClick={start}>
          Run the recipe
        </button>
        {keyHint("run") && (
          <span class="hint">
            or press <kbd>{keyHint("run")}</kbd>
          </span>
        )}
      </div>
      {run && (
        <>
          <Facts
            facts={[
              {
                name: "Size",
                value: formatBytes(run.outcome.bytes.length),
                note: `${formatBytes(run.model.bytes)} before, ${formatChange(run.model.bytes, run.outcome.bytes.length)}`,
              },
              {
                name: "Output SQNR",
                value: formatDb(run.outcome.verification.runtime.sqnrDb),
                note: `sampled, ${run.outcome.verification.samples} images`,
              },
              {
                name: "Same answer",
                value: formatPercent(run.outcome.verification.runtime.agreement),
                note: "as the float model",
              },
              { name: "Time", value: formatMs(run.outcome.ms), note: `run ${run.id}` },
            ]}
          />
          <Panel title="Steps" level="sampled" stale={isRunStale.value} onRecompute={start}>
            <DataTable
              label="Steps"
              columns={[
                { title: "Step", cell: ({ step }) => step },
                { title: "Kept", cell: ({ kept }) => (kept ? "yes" : "no"), text: true },
                { title: "Output SQNR", cell: ({ error }) => formatDb(error.sqnrDb) },
                { title: "Same answer", cell: ({ error }) => formatPercent(error.agreement) },
                { title: "Effect", cell: ({ note }) => note, text: true },
              ]}
              rows={run.outcome.steps}
              keyOf={({ step }, index) => step + index}
            />
          </Panel>
          <FixPanel stale={isRunStale.value} />
          <AdvicePanel stale={isRunStale.value} />
          <div class="row">
            <button
              type="button"
              class="button primary"
              disabled={activity.value !== null || isRunStale.value}
              onClick={() => {
                go("validate");
                void measureRun();
              }}
            >
              Validate
            </button>
            <button type="button" class="button" onClick={() => go("export")}>
              Export
            </button>
          </div>
        </>
      )}
    </>
  );
}
