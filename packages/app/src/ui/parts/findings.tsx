import type { Finding } from "@equant/core/lab";
import { editStep, toggleStep } from "../../state/recipe-edit.js";
import { selectLayer } from "../../state/selection.js";
import { go } from "../navigate.js";
import { Panel } from "./panel.js";

/** What takes a finding away, where the recipe can. */
const FIXES: Partial<Record<Finding["kind"], { text: string; run: () => void }>> = {
  rangeSpread: {
    text: "Equalize",
    run: () => {
      toggleStep("equalize", true);
      go("equalize");
    },
  },
  deadChannels: {
    text: "Remove them",
    run: () => toggleStep("dead-channels", true),
  },
  boundedRelu: {
    text: "Choose how",
    run: () => {
      editStep("equalize", { relu6: "exact" });
      go("equalize");
    },
  },
};

/** What is worth knowing, each with the place and what to do. */
export function Findings({ findings }: { findings: readonly Finding[] }) {
  if (findings.length === 0) return null;
  return (
    <Panel title="Findings">
      <ul class="findings">
        {findings.map(({ kind, message, names }) => (
          <li key={kind + message}>
            <span class="text">{message}</span>
            {names[0] !== undefined && (
              <button type="button" class="button small" onClick={() => selectLayer(names[0]!)}>
                Show
              </button>
            )}
            {FIXES[kind] && (
              <button type="button" class="button small" onClick={FIXES[kind].run}>
                {FIXES[kind].text}
              </button>
            )}
          </li>
        ))}
      </ul>
    </Panel>
  );
}
