import type { ValidationReport } from "@equant/core";
import { formatDb } from "../../format.js";
import { compared, compareImage } from "../../state/samples.js";
import { activity, data } from "../../state/store.js";
import { DataTable } from "./data-table.js";
import { Panel } from "./panel.js";
import { TwoUp } from "./two-up.js";

/** Images on which the quantized network is farthest from the float one; one of them in both networks. */
export function WorstSamples({ report, stale }: { report: ValidationReport; stale: boolean }) {
  const names = data.value?.value.classes;
  const shown = compared.value?.value.id;
  return (
    <Panel
      title="Worst images"
      level="measured"
      stale={stale}
      hint="where the two networks differ most; choose one to see what each answers"
    >
      <DataTable
        label="Worst images"
        columns={[
          {
            title: "Image",
            cell: ({ id }) => (
              <button
                type="button"
                class="link"
                disabled={activity.value !== null || stale}
                onClick={() => void compareImage(id)}
              >
                {id}
              </button>
            ),
            text: true,
          },
          {
            title: "Label",
            cell: ({ label }) => (label === null ? "" : (names?.[label] ?? String(label))),
            text: true,
          },
          { title: "Output SQNR", cell: ({ sqnrDb }) => formatDb(sqnrDb) },
        ]}
        rows={report.worstSamples}
        keyOf={({ id }) => id}
        isSelected={({ id }) => id === shown}
      />
      <TwoUp />
    </Panel>
  );
}
