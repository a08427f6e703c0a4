import { signal } from "@preact/signals";
import { layerRows } from "../../state/layer-rows.js";
import { log, model, runs } from "../../state/store.js";
import { LayerTable } from "./layer-table.js";
import { LogView } from "./log-view.js";
import { RunsView } from "./runs-view.js";

const TABS = ["Layers", "Log", "Runs"] as const;
export const dockTab = signal<(typeof TABS)[number]>("Layers");
export const dockOpen = signal(true);

/** The bottom of the page: all layers, what happened, all runs. */
export function Dock() {
  if (!model.value) return null;
  const counts = { Layers: layerRows.value.length, Log: log.value.length, Runs: runs.value.length };
  const open = dockOpen.value;
  const choose = (tab: (typeof TABS)[number]) => {
    dockOpen.value = !(open && dockTab.value === tab);
    dockTab.value = tab;
  };
  return (
    <section class="dock" aria-label="Dock">
      <div class="dock-tabs">
        {TABS.map((tab) => (
          <button
            key={tab}
            type="button"
            class="button small ghost"
            aria-pressed={open && dockTab.value === tab}
            onClick={() => choose(tab)}
          >
            {tab} <span class="hint number">{counts[tab]}</span>
          </button>
        ))}
      </div>
      {open && dockTab.value === "Layers" && <LayerTable />}
      {open && dockTab.value === "Log" && <LogView />}
      {open && dockTab.value === "Runs" && <RunsView />}
    </section>
  );
}
