import type { ParetoPoint } from "@equant/report";
import { runTitle } from "../../recipe/describe.js";
import { comparedRuns, swapPins } from "../../state/runs.js";
import { measures, runs } from "../../state/store.js";
import { Chart } from "../parts/chart.js";
import { CompareTables } from "../parts/compare-tables.js";
import { Needs } from "../parts/needs.js";
import { Head, Panel } from "../parts/panel.js";
import { RunsTable } from "../parts/runs-table.js";

/** Runs side by side. */
export function CompareScreen() {
  const all = runs.value;
  if (all.length < 2) {
    return (
      <>
        <Head title="Compare" />
        <Needs action="Change the recipe" to="quantize">
          {all.length === 0
            ? "There is no run yet."
            : "There is one run. Change the recipe and run it again: runs are kept."}
        </Needs>
      </>
    );
  }
  // One measure for all of them: accuracy where every run has it, else the answers shared with the float model.
  const judged = all.every((run) => measures.value[run.id]?.validation?.candidate.accuracy);
  const points: ParetoPoint[] = all.map((run) => {
    const point = { name: run.id, bytes: run.outcome.bytes.length };
    const accuracy = judged ? measures.value[run.id]?.validation?.candidate.accuracy : undefined;
    if (!accuracy) return { ...point, metric: run.outcome.verification.runtime.agreement ?? 0 };
    return { ...point, metric: accuracy.top1, low: accuracy.top1Interval.low, high: accuracy.top1Interval.high };
  });
  const { a, b } = comparedRuns();
  return (
    <>
      <Head title="Compare">Every executed recipe is kept as a run. Pin two of them as A and B.</Head>
      <Panel title="Runs">
        <RunsTable />
      </Panel>
      <Panel title="Size and quality" level={judged ? "measured" : "sampled"}>
        <Chart name="pareto" args={[points, judged ? "accuracy" : "same answer"]} />
      </Panel>
      {a && b && (
        <>
          <div class="row">
            <p>
              <strong>A</strong> {a.id}: {runTitle(a.recipe)}
              <br />
              <strong>B</strong> {b.id}: {runTitle(b.recipe)}
            </p>
            <button type="button" class="button small" onClick={swapPins}>
              Swap
            </button>
          </div>
          <CompareTables a={a} b={b} />
        </>
      )}
    </>
  );
}
