import { formatBytes, formatPercent } from "../../format.js";
import { stepTitle } from "../../recipe/describe.js";
import { stepOf } from "../../recipe/recipe.js";
import {
  continueWithPruned,
  pruneSettings,
  pruning,
  pruningLive,
  putPruningIntoRecipe,
  runPruning,
  setPruning,
  togglePruning,
} from "../../state/pruning.js";
import { activity, data, model, recipe } from "../../state/store.js";
import { Chart } from "../parts/chart.js";
import { Check, NumberField, Select } from "../parts/fields.js";
import { Needs } from "../parts/needs.js";
import { Head, Panel } from "../parts/panel.js";

/** Weights that can go. */
export function PruneScreen() {
  if (!model.value || !data.value) {
    return (
      <>
        <Head title="Prune" />
        <Needs action={model.value ? "Choose data" : "Open a model"} to={model.value ? "data" : "start"}>
          Pruning is judged by accuracy on labelled images. It needs a model and images.
        </Needs>
      </>
    );
  }
  const settings = pruneSettings.value;
  const set = setPruning;
  const inRecipe = stepOf(recipe.value, "prune") !== undefined;
  const result = pruning.value;
  const section = result?.section ?? pruningLive.value;
  const stale = result !== null && result.model !== model.value.sha256;
  return (
    <>
      <Head title="Prune">
        Removes the weights that matter least, little by little, without training. As a step of the recipe it comes
        before equalization and quantization; here is what it costs.
      </Head>
      <Panel title="Method">
        <Check checked={inRecipe} onChange={togglePruning}>
          Prune as a step of the recipe
        </Check>
        <div class="fields">
          <Select
            label="Score"
            value={settings.method}
            options={[
              { value: "magnitude", text: "magnitude" },
              { value: "synflow", text: "SynFlow: flow of synapses" },
              { value: "taylor", text: "Taylor: change of the loss" },
              { value: "random", text: "random, to compare" },
            ]}
            onChange={(method) => set({ method })}
          />
          <Select
            label="What goes"
            value={settings.granularity}
            options={[
              { value: "weights", text: "single weights" },
              { value: "channels", text: "whole channels" },
            ]}
            onChange={(granularity) => set({ granularity })}
          />
          <NumberField
            label="Sparsity, %"
            value={Math.round(100 * settings.sparsity)}
            min={1}
            max={99}
            onChange={(percent) => set({ sparsity: percent / 100 })}
          />
          <NumberField
            label="Iterations"
            value={settings.steps}
            min={1}
            max={50}
            onChange={(steps) => set({ steps })}
          />
        </div>
      </Panel>
      <div class="row">
        <button
          type="button"
          class="button primary"
          disabled={activity.value !== null}
          onClick={() => void runPruning()}
        >
          Prune
        </button>
        <span class="hint">on a copy; every method adds a line to the chart</span>
      </div>
      {section && (
        <Panel
          title="Accuracy and sparsity"
          level="sampled"
          stale={stale}
          hint={data.value.value.labelled ? "" : "without labels: answers as the float model"}
        >
          <Chart name="accuracy-sparsity" args={[section]} />
        </Panel>
      )}
      {result && (
        <>
          <Panel title="Layers" level="measured" stale={stale}>
            <Chart name="layer-sparsity" args={[result.section]} />
            {result.section.layers.some(({ removed }) => removed > 0) && (
              <Chart name="layer-channels" args={[result.section]} />
            )}
          </Panel>
          <Panel title="Choose" hint="one iteration of the last curve">
            <div class="row">
              {result.iterations.map(({ iteration, sparsity, accuracy }) => (
                <button
                  type="button"
                  class="button small"
                  key={iteration}
                  disabled={activity.value !== null || stale}
                  aria-pressed={iteration === result.chosen}
                  onClick={() => void runPruning(iteration)}
                >
                  {formatPercent(sparsity)} {accuracy === null ? "" : `· ${formatPercent(accuracy)}`}
                </button>
              ))}
            </div>
            <div class="row">
              <button type="button" class="button primary" disabled={stale} onClick={putPruningIntoRecipe}>
                Put it into the recipe
              </button>
              <button
                type="button"
                class="button"
                disabled={activity.value !== null || stale}
                onClick={() => void continueWithPruned()}
              >
                Continue with the pruned network
              </button>
              <span class="hint">
                {inRecipe ? `the recipe says: ${stepTitle(stepOf(recipe.value, "prune"))}` : ""}
                {inRecipe ? "; " : ""}continuing makes it a model of its own, {formatBytes(result.bytes.length)}
              </span>
            </div>
          </Panel>
        </>
      )}
    </>
  );
}
