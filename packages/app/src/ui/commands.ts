import { runOn } from "../engine/warm.js";
import { measureRun, previewEqualization, runCalibration, runDemo, runRecipe } from "../state/actions.js";
import { cancelJob, setPaused } from "../state/jobs.js";
import { layerRows, tickLayer } from "../state/layer-rows.js";
import { redoRecipe, undoRecipe } from "../state/recipe-edit.js";
import { pinRun, swapPins } from "../state/runs.js";
import { SCREENS } from "../state/screens.js";
import { selectLayer, stepLayer } from "../state/selection.js";
import { activity, currentRunId, data, environment, model, screen, selectedLayer } from "../state/store.js";
import { dockOpen, dockTab } from "./dock/dock.js";
import { keysOf } from "./keymap.js";
import { go } from "./navigate.js";
import { helpOpen, paletteOpen, shortcutsOn, toggleShortcuts } from "./overlays.js";
import { toggleTheme } from "./theme.js";

/** Something a person can do, from the palette, the keyboard or both. */
export interface Command {
  readonly id: string;
  readonly title: string;
  /** Keys as `Ctrl+K`, `g t` (one after the other), `/`. */
  readonly keys?: readonly string[];
  readonly enabled?: () => boolean;
  readonly run: () => void;
}

const idle = () => activity.value === null;
const hasData = () => idle() && model.value !== null && data.value !== null;

function focusOn(selector: string): void {
  requestAnimationFrame(() => document.querySelector<HTMLElement>(selector)?.focus());
}

function showLayers(): void {
  dockOpen.value = true;
  dockTab.value = "Layers";
}

export const COMMANDS: readonly Command[] = [
  ...SCREENS.map(({ id, title, key }) => ({ id: `go-${id}`, title: `Go to ${title}`, keys: [key], run: () => go(id) })),
  {
    id: "open",
    title: "Open files…",
    keys: ["Ctrl+O"],
    run: () => {
      go("start");
      requestAnimationFrame(() => document.querySelector<HTMLInputElement>("[data-testid=files]")?.click());
    },
  },
  {
    id: "palette",
    title: "Command palette",
    keys: ["Ctrl+K"],
    run: () => {
      paletteOpen.value = true;
    },
  },
  {
    id: "help",
    title: "Keyboard shortcuts",
    keys: ["?"],
    run: () => {
      helpOpen.value = true;
    },
  },
  { id: "demo", title: "Run the digits demo", enabled: idle, run: () => void runDemo() },
  {
    id: "demo-wide",
    title: "Run the demo with one wide channel",
    enabled: idle,
    run: () => void runDemo("digits-wide"),
  },
  {
    id: "calibrate",
    title: "Calibrate",
    enabled: hasData,
    run: () => {
      go("calibrate");
      void runCalibration();
    },
  },
  {
    id: "equalize",
    title: "Preview the equalization",
    enabled: hasData,
    run: () => {
      go("equalize");
      void previewEqualization();
    },
  },
  {
    id: "run",
    title: "Run the recipe",
    keys: ["."],
    enabled: hasData,
    run: () => {
      go("quantize");
      void runRecipe();
    },
  },
  {
    id: "measure",
    title: "Validate the run",
    enabled: () => hasData() && currentRunId.value !== null,
    run: () => {
      go("validate");
      void measureRun();
    },
  },
  {
    id: "pause",
    title: "Pause or resume",
    enabled: () => activity.value?.canPause === true,
    run: () => setPaused(!activity.value!.paused),
  },
  {
    id: "provider",
    title: "Run float networks on WebGPU, or on the processor again",
    enabled: idle,
    run: () => void runOn(environment.value?.provider === "webgpu" ? "wasm" : "webgpu"),
  },
  { id: "cancel", title: "Cancel what runs", keys: ["Escape"], enabled: () => !idle(), run: cancelJob },
  { id: "undo", title: "Undo", keys: ["Ctrl+Z"], run: undoRecipe },
  { id: "redo", title: "Redo", keys: ["Ctrl+Y", "Ctrl+Shift+Z"], run: redoRecipe },
  {
    id: "search",
    title: "Search layers",
    keys: ["/"],
    enabled: () => model.value !== null,
    run: () => {
      showLayers();
      focusOn("#layer-filter");
    },
  },
  {
    id: "table",
    title: "Focus the layer table",
    keys: ["g t"],
    enabled: () => model.value !== null,
    run: () => {
      showLayers();
      focusOn("#layer-grid");
    },
  },
  {
    id: "graph",
    title: "Focus the graph",
    keys: ["g g"],
    enabled: () => model.value !== null,
    run: () => {
      if (screen.value !== "validate") go("model");
      setTimeout(() => document.querySelector<HTMLElement>("#graph canvas")?.focus(), 300);
    },
  },
  { id: "chart", title: "Focus the first chart", keys: ["g c"], run: () => focusOn(".stage .chart-menu button") },
  { id: "inspector", title: "Focus the inspector", keys: ["g i"], run: () => focusOn("#inspector") },
  { id: "next", title: "Next layer", keys: ["j"], enabled: () => model.value !== null, run: () => stepLayer(1) },
  {
    id: "previous",
    title: "Previous layer",
    keys: ["k"],
    enabled: () => model.value !== null,
    run: () => stepLayer(-1),
  },
  {
    id: "tick",
    title: "Quantize the selected layer, or leave it in float",
    keys: ["t"],
    enabled: () => selectedLayer.value !== undefined,
    run: () => {
      const row = layerRows.value.find(({ name }) => name === selectedLayer.value);
      if (row) tickLayer(row.name, !row.quantized);
    },
  },
  {
    id: "deselect",
    title: "Select no layer",
    enabled: () => selectedLayer.value !== undefined,
    run: () => selectLayer(null),
  },
  {
    id: "pin-a",
    title: "Pin the run as A",
    keys: ["["],
    enabled: () => currentRunId.value !== null,
    run: () => pinRun("a", currentRunId.value),
  },
  {
    id: "pin-b",
    title: "Pin the run as B",
    keys: ["]"],
    enabled: () => currentRunId.value !== null,
    run: () => pinRun("b", currentRunId.value),
  },
  { id: "swap", title: "Swap A and B", keys: ["x"], run: swapPins },
  { id: "theme", title: "Light or dark", run: toggleTheme },
  {
    id: "dock",
    title: "Show or hide the layer table",
    run: () => {
      dockOpen.value = !dockOpen.value;
    },
  },
  { id: "shortcuts", title: "Turn single-key shortcuts on or off", run: toggleShortcuts },
];

/** True when this command may be run with single keys now. */
function isSingleKey(keys: string): boolean {
  return !keys.includes("+") && keys !== "Escape";
}

export function isAllowed({ enabled }: Command, keys: string): boolean {
  return (enabled?.() ?? true) && (shortcutsOn.value || !isSingleKey(keys));
}

/** The first key of a command as a hint beside a button; empty where it has none, or it is turned off. */
export function keyHint(id: string): string {
  const command = COMMANDS.find((candidate) => candidate.id === id)!;
  const key = keysOf(command)[0];
  return key !== undefined && (shortcutsOn.value || !isSingleKey(key)) ? key : "";
}
