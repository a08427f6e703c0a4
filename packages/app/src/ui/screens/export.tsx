import { currentRun } from "../../state/store.js";
import { ExportList } from "../parts/export-list.js";
import { Needs } from "../parts/needs.js";
import { Head } from "../parts/panel.js";
import { RepeatPanel } from "../parts/repeat-panel.js";

/** Everything that can be taken away. */
export function ExportScreen() {
  const run = currentRun.value;
  return (
    <>
      <Head title="Export">Each model is opened again and run before it counts as saved.</Head>
      {run ? (
        <>
          <ExportList run={run} />
          <RepeatPanel run={run} />
        </>
      ) : (
        <Needs action="Run the recipe" to="quantize">
          There is no result yet.
        </Needs>
      )}
    </>
  );
}
