import type { FloatTrial } from "@equant/core/lab";
import { formatBytes, formatDb, formatPercent } from "../../format.js";
import { applyFix, applyFixAndRun, fixed, fixLive, fixTarget, searchFix } from "../../state/repair.js";
import { activity, currentRun, data } from "../../state/store.js";
import { DataTable } from "./data-table.js";
import { NumberField, Select } from "./fields.js";
import { Panel } from "./panel.js";

const TARGETS = {
  drop: { text: "lose at most", unit: "points", value: 1, max: 100 },
  db: { text: "output SQNR at least", unit: "dB", value: 30, max: 120 },
} as const;

/** The target in words: `≤ 1 pp`. */
function inWords({ kind, value }: typeof fixTarget.value): string {
  return kind === "drop" ? `≤ ${value} pp` : `≥ ${value} dB`;
}

const loss = (drop: number | null) =>
  drop === null ? "" : `${drop > 0 ? "−" : drop < 0 ? "+" : ""}${Math.abs(100 * drop).toFixed(2)} pp`;

/** Leaves the fewest bytes in float that reach a target. */
export function FixPanel({ stale }: { stale: boolean }) {
  const run = currentRun.value!;
  const target = fixTarget.value;
  const now = activity.value;
  const running = now?.screen === "quantize" && fixLive.value.length > 0 && fixed.value?.run !== run.id;
  const found = fixed.value?.run === run.id ? fixed.value.value : undefined;
  const trials = found?.trials ?? (running ? fixLive.value : []);
  const { kind } = target;
  return (
    <Panel
      title="Fix it"
      level={found ? (found.target.kind === "drop" ? "measured" : "sampled") : undefined}
      stale={stale}
      hint="leaves the layers in float that cost most, until the target holds"
    >
      <div class="fields">
        <Select
          label="Target"
          value={kind}
          options={(["drop", "db"] as const).map((value) => ({ value, text: TARGETS[value].text }))}
          onChange={(chosen) => {
            fixTarget.value = { kind: chosen, value: TARGETS[chosen].value };
          }}
        />
        <NumberField
          label={`${TARGETS[kind].unit}${kind === "drop" && !data.value?.value.labelled ? " of the same answers" : ""}`}
          value={target.value}
          min={0}
          max={TARGETS[kind].max}
          step="any"
          onChange={(value) => {
            fixTarget.value = { kind, value };
          }}
        />
        <button
          type="button"
          class="button"
          disabled={now !== null || stale}
          onClick={() => void searchFix()}
          data-testid="fix"
        >
          Fix it
        </button>
      </div>
      {found && <Verdict />}
      {trials.length > 0 && (
        <DataTable<FloatTrial>
          label="Trials"
          columns={[
            {
              title: "In float",
              cell: ({ layers }) => (layers.length === 0 ? "as it is" : layers.join(", ")),
              text: true,
            },
            { title: "Size", cell: ({ bytes }) => formatBytes(bytes) },
            { title: "Top-1", cell: ({ top1 }) => (top1 === null ? "" : formatPercent(top1)) },
            { title: "Change", cell: ({ drop }) => loss(drop) },
            { title: "Output SQNR", cell: ({ sqnrDb }) => formatDb(sqnrDb) },
            { title: "Target", cell: ({ holds }) => (holds ? "holds" : "missed"), text: true },
          ]}
          rows={trials}
          keyOf={({ layers }, index) => `${index} ${layers.join()}`}
          isSelected={(trial) => trial === found?.best}
        />
      )}
    </Panel>
  );
}

/** What it takes, and the way to do it. */
function Verdict() {
  const { best, first, target, samples } = fixed.value!.value;
  if (first.holds) {
    return (
      <p data-testid="fix-verdict">
        {inWords(target)} holds already on {samples} images: nothing to do.
      </p>
    );
  }
  const cost = best.bytes - first.bytes;
  const what = `keep ${best.layers.length} ${best.layers.length === 1 ? "layer" : "layers"} in float (${best.layers.join(", ")}), +${formatBytes(cost)}`;
  if (!best.holds) {
    return (
      <p class="note" data-testid="fix-verdict">
        {inWords(target)} is not reached by layers in float
        {best.layers.length > 0 ? `; the best is to ${what}: ${loss(best.drop)}, ${formatDb(best.sqnrDb)}` : ""}. Try
        «What would help» below.
      </p>
    );
  }
  return (
    <div class="row">
      <p class="grow" data-testid="fix-verdict">
        <strong>
          {inWords(target)}: {what}.
        </strong>{" "}
        {loss(best.drop) || "±0 pp"}, output SQNR {formatDb(best.sqnrDb)}, before the biases are corrected.
      </p>
      <button type="button" class="button" disabled={activity.value !== null} onClick={applyFix}>
        Put it into the recipe
      </button>
      <button
        type="button"
        class="button primary"
        disabled={activity.value !== null}
        onClick={() => void applyFixAndRun()}
      >
        Put it in and run
      </button>
    </div>
  );
}
