import { formatBytes, formatDb, formatPercent } from "../../format.js";
import { runTitle } from "../../recipe/describe.js";
import { pinRun, showRun } from "../../state/runs.js";
import { currentRunId, measures, pinned, type Run, runs } from "../../state/store.js";
import { DataTable } from "./data-table.js";

/** All runs, with what was measured of them, and the two that are compared. */
export function RunsTable() {
  const { a, b } = pinned.value;
  const pin = (run: Run, slot: "a" | "b") => (
    <button
      type="button"
      class="button small ghost"
      aria-pressed={pinned.value[slot] === run.id}
      aria-label={`Pin run ${run.id} as ${slot.toUpperCase()}`}
      onClick={(event) => {
        event.stopPropagation();
        pinRun(slot, run.id);
      }}
    >
      {slot.toUpperCase()}
    </button>
  );
  return (
    <DataTable
      label="Runs"
      columns={[
        {
          title: "Run",
          cell: (run) => (
            <button type="button" class="link" onClick={() => showRun(run.id)}>
              {run.id}
              {run.id === currentRunId.value ? " (shown)" : ""}
            </button>
          ),
        },
        { title: "Recipe", cell: (run) => runTitle(run.recipe), text: true },
        { title: "Size", cell: (run) => formatBytes(run.outcome.bytes.length) },
        { title: "Output SQNR", cell: (run) => formatDb(run.outcome.verification.runtime.sqnrDb) },
        { title: "Same answer", cell: (run) => formatPercent(run.outcome.verification.runtime.agreement) },
        {
          title: "Top-1",
          cell: (run) => {
            const top1 = measures.value[run.id]?.validation?.candidate.top1;
            return top1 === null || top1 === undefined ? "" : formatPercent(top1);
          },
        },
        {
          title: "Pin",
          cell: (run) => (
            <>
              {pin(run, "a")}
              {pin(run, "b")}
            </>
          ),
        },
      ]}
      rows={runs.value}
      keyOf={({ id }) => `${id}${a}${b}`}
      isSelected={({ id }) => id === currentRunId.value}
    />
  );
}
