import { granularityOf } from "@equant/core/steps";
import { stepOf } from "../../recipe/recipe.js";
import { equalizeAndRun, keepInFloat } from "../../state/actions.js";
import { channelSpreads, explainWorst } from "../../state/explain.js";
import { selectLayer } from "../../state/selection.js";
import { activity, currentMeasures, currentRun } from "../../state/store.js";

/** The worst layer, why it is, whether it matters, and what can be done. */
export function Verdict({ stale }: { stale: boolean }) {
  const { report, validation } = currentMeasures.value;
  const { recipe } = currentRun.value!;
  const perTensor = granularityOf(stepOf(recipe, "quantize") ?? {}) === "per-tensor";
  const found = explainWorst(report?.sqnr?.layers ?? [], channelSpreads(report?.weights), perTensor, validation);
  if (!found) return null;
  const { layer, what, why, matters, tone, uneven } = found;
  const busy = activity.value !== null || stale;
  return (
    <section class={`note verdict ${tone}`} aria-label="Worst layer" data-testid="verdict">
      <p>
        Worst layer: <strong>{layer}</strong>: {what}.
      </p>
      <p>
        <strong>Why:</strong> {why}
      </p>
      <p>
        <strong>Does it matter?</strong> {matters}
      </p>
      <div class="row">
        <button type="button" class="button small" onClick={() => selectLayer(layer)}>
          Show the layer
        </button>
        {uneven && !stepOf(recipe, "equalize") && (
          <button type="button" class="button small" disabled={busy} onClick={() => void equalizeAndRun()}>
            Equalize its channels and run again
          </button>
        )}
        <button type="button" class="button small" disabled={busy} onClick={() => void keepInFloat(layer)}>
          Keep it in float and run again
        </button>
        <span class="hint">Decibels: at 20 dB noise is a tenth of the signal, at 40 dB a hundredth.</span>
      </div>
    </section>
  );
}
