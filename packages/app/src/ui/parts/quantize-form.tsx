import { STEPS, type StepDefinition } from "@equant/core/steps";
import { stepTitle } from "../../recipe/describe.js";
import { stepOf } from "../../recipe/recipe.js";
import { togglePruning } from "../../state/pruning.js";
import { toggleStep } from "../../state/recipe-edit.js";
import { recipe } from "../../state/store.js";
import { Check } from "./fields.js";
import { Panel } from "./panel.js";
import { StepFields } from "./step-fields.js";

/** Steps that a person chooses; the others are always there. */
const CHOSEN: readonly StepDefinition[] = (STEPS as unknown as readonly StepDefinition[]).filter(
  ({ phase }) => phase === "float" || phase === "integer",
);

/** Options of the whole network; single layers are ticked in the table. */
export function QuantizeForm() {
  return (
    <Panel title="Plan">
      <StepFields use="quantize" />
      <div class="row">
        {CHOSEN.map(({ use, label, slow, help }) => {
          const name = use as (typeof STEPS)[number]["use"];
          const step = stepOf(recipe.value, name);
          // Pruning has a screen, whose settings the step takes.
          const toggle = name === "prune" ? togglePruning : (on: boolean) => toggleStep(name, on);
          const hint = step ? stepTitle(step) : slow ? `slow; ${help.replace(/^.*; /, "")}` : undefined;
          return (
            <Check key={use} checked={step !== undefined} onChange={toggle}>
              {label} {hint !== undefined && <span class="hint">{hint}</span>}
            </Check>
          );
        })}
      </div>
      {CHOSEN.map(({ use }) => use as (typeof STEPS)[number]["use"])
        .filter((use) => use !== "prune" && use !== "equalize" && stepOf(recipe.value, use) !== undefined)
        .map((use) => (
          <StepFields key={use} use={use} />
        ))}
    </Panel>
  );
}
