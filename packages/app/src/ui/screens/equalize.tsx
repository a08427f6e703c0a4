import { formatNumber } from "../../format.js";
import { stepOf } from "../../recipe/recipe.js";
import { previewEqualization } from "../../state/actions.js";
import { equalizationKey } from "../../state/derived.js";
import { editStep, toggleStep } from "../../state/recipe-edit.js";
import { activity, data, equalization, model, recipe } from "../../state/store.js";
import { EqualizeResult } from "../parts/equalize-result.js";
import { Check, NumberField, Select } from "../parts/fields.js";
import { Needs } from "../parts/needs.js";
import { Head, Panel } from "../parts/panel.js";

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
  const greedy = step?.method === "one-step" || step?.method === "two-step";
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
        {step && (
          <div class="fields">
            <Select
              label="Factors"
              value={step.method ?? "optimal"}
              options={[
                { value: "optimal", text: "optimal: least predicted noise" },
                { value: "dfq", text: "DFQ: equal ranges of pairs" },
                { value: "one-step", text: "one-step (Meller et al.)" },
                { value: "two-step", text: "two-step (Meller et al.)" },
              ]}
              onChange={(method) => editStep("equalize", { method })}
            />
            <Select
              label="ReLU6"
              value={step.relu6 ?? "auto"}
              options={[
                { value: "auto", text: "auto: exact where it pays" },
                { value: "exact", text: "exact: one bound a channel" },
                { value: "common", text: "common: one bound, fewer channels" },
                { value: "paper", text: "as the paper" },
                { value: "replace", text: "replace by ReLU: changes the function" },
              ]}
              onChange={(relu6) => editStep("equalize", { relu6 })}
            />
            {greedy && (
              <NumberField
                label="Largest factor"
                value={step.sMax ?? 16}
                min={1.1}
                step="any"
                onChange={(sMax) => editStep("equalize", { sMax })}
              />
            )}
          </div>
        )}
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
