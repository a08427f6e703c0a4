import { formatNumber } from "../../format.js";
import { stepOf } from "../../recipe/recipe.js";
import { previewEqualization } from "../../state/actions.js";
import { equalizationKey } from "../../state/derived.js";
import { toggleStep } from "../../state/recipe-edit.js";
import { activity, data, equalization, model, recipe } from "../../state/store.js";
import { EqualizeResult } from "../parts/equalize-result.js";
import { Check } from "../parts/fields.js";
import { Needs } from "../parts/needs.js";
import { Head, Panel } from "../parts/panel.js";
import { StepFields } from "../parts/step-fields.js";

/** Scaling of channels: the function stays, rounding costs less. */
export function EqualizeScreen() {
  if (!model.value || !data.value) {
    return (
      <>
        <Head title="Equalize" />
        <Needs action={model.value ? "Choose data" : "Open a model"} to={model.value ? "data" : "start"}>
          Equalization weighs every channel by what it carries on images. It needs a model and images.
        </Needs>
      </>
    );
  }
  const step = stepOf(recipe.value, "equalize");
  const entry = equalization.value;
  const stale = entry !== null && entry.key !== equalizationKey.value;
  const start = () => void previewEqualization();
  return (
    <>
      <Head title="Equalize">
        Multiplies a channel by a factor and divides where it is read: the network computes the same, and one scale fits
        all channels better.
      </Head>
      <Panel title="Method">
        <Check checked={step !== undefined} onChange={(on) => toggleStep("equalize", on)}>
          Equalize as a step of the recipe
        </Check>
        <StepFields use="equalize" />
      </Panel>
      <div class="row">
        <button type="button" class="button primary" disabled={activity.value !== null || !step} onClick={start}>
          {entry ? "Preview again" : "Preview"}
        </button>
        <span class="hint">
          {entry?.value.report.drift
            ? `outputs drift by ${formatNumber(entry.value.report.drift.max)} of their range`
            : "on a copy; nothing is quantized"}
        </span>
      </div>
      {entry && step && <EqualizeResult value={entry.value} stale={stale} onRecompute={start} />}
    </>
  );
}
