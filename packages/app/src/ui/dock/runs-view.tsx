import { runs } from "../../state/store.js";
import { RunsTable } from "../parts/runs-table.js";

export function RunsView() {
  return (
    <div class="dock-body">
      {runs.value.length === 0 ? (
        <p class="dock-empty hint">No run yet. «Run the recipe» on Quantize makes one.</p>
      ) : (
        <RunsTable />
      )}
    </div>
  );
}
