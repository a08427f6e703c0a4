import type { ValidationReport } from "@equant/core/web";
import { formatDb } from "../../format.js";
import { data } from "../../state/store.js";
import { DataTable } from "./data-table.js";
import { Panel } from "./panel.js";

/** Images on which the quantized network is farthest from the float one. */
export function WorstSamples({ report, stale }: { report: ValidationReport; stale: boolean }) {
  const names = data.value?.value.classes;
  return (
    <Panel title="Worst images" level="measured" stale={stale} hint="where the two networks differ most">
      <DataTable
        label="Worst images"
        columns={[
          { title: "Image", cell: ({ id }) => id, text: true },
          {
            title: "Label",
            cell: ({ label }) => (label === null ? "" : (names?.[label] ?? String(label))),
            text: true,
          },
          { title: "Output SQNR", cell: ({ sqnrDb }) => formatDb(sqnrDb) },
        ]}
        rows={report.worstSamples}
        keyOf={({ id }) => id}
      />
    </Panel>
  );
}
