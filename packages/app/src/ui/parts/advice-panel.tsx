import type { AdviceFinding, Remedy, RemedyKind } from "@equant/core/lab";
import { formatDb } from "../../format.js";
import { advice, applyRemedy, findCauses, isApplicable } from "../../state/repair.js";
import { selectLayer } from "../../state/selection.js";
import { activity, currentRun } from "../../state/store.js";
import { DataTable } from "./data-table.js";
import { Panel } from "./panel.js";

const WORDS: Readonly<Record<RemedyKind, string>> = {
  equalize: "equalize channels",
  "dead-channels": "remove dead channels",
  "dead-channels+equalize": "remove dead channels, equalize",
  minmax: "take the whole range",
  "per-channel": "one scale a channel",
  float: "keep it in float",
  "weight-bits": "16 bits for its weights",
  "activation-bits": "16 bits for its output",
};

const gain = (db: number) => `${db < 0 ? "−" : "+"}${Math.abs(db).toFixed(1)} dB`;

/** Which layers harm the output most, why, and what helps: tried, each by the output of the whole network. */
export function AdvicePanel({ stale }: { stale: boolean }) {
  const found = advice.value?.run === currentRun.value?.id ? advice.value?.value : undefined;
  return (
    <Panel
      title="What would help"
      level={found && "sampled"}
      stale={stale}
      hint={found ? `remedies tried on ${found.samples} images; output now ${formatDb(found.allDb)}` : ""}
    >
      <div class="row">
        <button
          type="button"
          class="button"
          disabled={activity.value !== null || stale}
          onClick={() => void findCauses()}
        >
          Find causes and remedies
        </button>
        {!found && <span class="hint">quantizes suspected layers alone, names the cause, tries what may help</span>}
      </div>
      {found?.findings.length === 0 && <p>No layer stands out.</p>}
      <ul class="findings">
        {found?.findings.map((finding) => (
          <Finding key={finding.layer} finding={finding} stale={stale} />
        ))}
      </ul>
    </Panel>
  );
}

function Finding({ finding, stale }: { finding: AdviceFinding; stale: boolean }) {
  const { layer, text, aloneDb, remedies, recommended } = finding;
  return (
    <li>
      <span class="text">
        <strong>{layer}</strong>: {text}. Quantized alone it leaves {formatDb(aloneDb)} at the output.
      </span>
      <button type="button" class="button small" onClick={() => selectLayer(layer)}>
        Show
      </button>
      {recommended && isApplicable(recommended.remedy) && (
        <button
          type="button"
          class="button small"
          disabled={stale}
          onClick={() => applyRemedy(recommended.remedy, layer)}
        >
          {WORDS[recommended.remedy]}: {gain(recommended.gainDb)}
        </button>
      )}
      {remedies.length > 0 && (
        <details class="wide">
          <summary>All remedies</summary>
          <DataTable<Remedy>
            label={`Remedies for ${layer}`}
            columns={[
              { title: "Remedy", cell: ({ remedy }) => WORDS[remedy] },
              { title: "For", cell: ({ scope }) => (scope === "network" ? "all layers" : "this layer"), text: true },
              { title: "Output SQNR", cell: ({ outputDb }) => formatDb(outputDb) },
              { title: "Gain", cell: ({ gainDb }) => gain(gainDb) },
            ]}
            rows={remedies}
            keyOf={({ remedy, scope }) => remedy + scope}
            isSelected={(remedy) => remedy === recommended}
          />
        </details>
      )}
    </li>
  );
}
