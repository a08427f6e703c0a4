import { runsOn } from "../../engine/warm.js";
import { formatBytes } from "../../format.js";
import { redoRecipe, undoRecipe } from "../../state/recipe-edit.js";
import { activity, environment, model, recipes } from "../../state/store.js";
import { keyHint } from "../commands.js";
import { helpOpen, paletteOpen } from "../overlays.js";
import { Icon } from "../parts/icons.js";
import { ProgressBar } from "../parts/progress.js";
import { toggleTheme } from "../theme.js";

/** The bar at the top: what is open, what runs, undo and redo. */
export function Bar() {
  const open = model.value;
  const { past, future } = recipes.value;
  const env = environment.value;
  return (
    <header class="bar">
      <span class="brand">
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <rect width="32" height="32" rx="7" fill="var(--accent)" />
          <path
            d="M7 21h5v-6h5v-5h5V7h3"
            fill="none"
            stroke="var(--accent-ink)"
            stroke-width="3"
            stroke-linejoin="round"
          />
        </svg>
        equant
      </span>
      {open && (
        <span class="bar-model">
          <strong>{open.name}</strong> {formatBytes(open.bytes)}
        </span>
      )}
      <span class="bar-spacer" />
      {activity.value ? (
        <ProgressBar />
      ) : (
        env &&
        !env.isolated && (
          <span
            class="badge stale"
            title="Reload the page once; if it stays, the host sends no COOP and COEP headers and threads are off."
          >
            one thread: slower
          </span>
        )
      )}
      {env && (env.provider === "webgpu" || env.refused !== null) && (
        <span class={env.refused === null ? "badge" : "badge stale"} title={runsOn()} data-testid="provider">
          {env.refused === null ? "WebGPU" : "no WebGPU"}
        </span>
      )}
      <span class="bar-tools">
        <Tool name="undo" label={withKey("Undo", "undo")} disabled={past.length === 0} onClick={undoRecipe} />
        <Tool name="redo" label={withKey("Redo", "redo")} disabled={future.length === 0} onClick={redoRecipe} />
        <Tool name="theme" label="Light or dark" onClick={toggleTheme} />
        <Tool
          name="command"
          label={withKey("Command palette", "palette")}
          onClick={() => {
            paletteOpen.value = true;
          }}
        />
        <Tool
          name="help"
          label={withKey("Keyboard shortcuts", "help")}
          onClick={() => {
            helpOpen.value = true;
          }}
        />
      </span>
    </header>
  );
}

function withKey(label: string, command: string): string {
  const key = keyHint(command);
  return key ? `${label} (${key})` : label;
}

interface ToolProps {
  readonly name: Parameters<typeof Icon>[0]["name"];
  readonly label: string;
  readonly disabled?: boolean;
  readonly onClick: () => void;
}

/** A button that shows an icon alone. */
function Tool({ name, label, disabled = false, onClick }: ToolProps) {
  return (
    <button
      type="button"
      class="button small ghost"
      disabled={disabled}
      onClick={onClick}
      aria-label={label}
      title={label}
    >
      <Icon name={name} />
    </button>
  );
}
