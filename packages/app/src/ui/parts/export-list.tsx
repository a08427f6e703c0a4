import { useState } from "preact/hooks";
import { type ExportItem, exportsOf, saveExport } from "../../state/exports.js";
import { activity, type Run } from "../../state/store.js";
import { Panel } from "./panel.js";

/** Files of a run. */
export function ExportList({ run }: { run: Run }) {
  const [saved, setSaved] = useState<Readonly<Record<string, string>>>({});
  const save = async (item: ExportItem) => {
    const text = await saveExport(item);
    if (text) setSaved((before) => ({ ...before, [item.name]: text }));
  };
  return (
    <Panel title="Files" hint={`run ${run.id}; models are opened again and run first`}>
      <ul class="findings">
        {exportsOf(run).map((item) => (
          <li key={item.name}>
            <span class="text">
              <strong class="mono">{item.name}</strong> <span class="hint">{item.about}</span>
            </span>
            {saved[item.name] && <span class="badge measured">{saved[item.name]}</span>}
            <button
              type="button"
              class="button small"
              aria-label={`Save ${item.name}`}
              disabled={activity.value !== null}
              onClick={() => void save(item)}
            >
              Save
            </button>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
