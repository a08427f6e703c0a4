import { formatBytes } from "../../format.js";
import { redoRecipe, undoRecipe } from "../../state/recipe-edit.js";
import { activity, environment, model, recipes } from "../../state/store.js";
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
      <span class="bar-tools">
        <button
          type="button"
          class="button small ghost"
          disabled={past.length === 0}
          onClick={undoRecipe}
          aria-label="Undo (Ctrl+Z)"
          title="Undo (Ctrl+Z)"
        >
          <Icon name="undo" />
        </button>
        <button
          type="button"
          class="button small ghost"
          disabled={future.length === 0}
          onClick={redoRecipe}
          aria-label="Redo (Ctrl+Y)"
          title="Redo (Ctrl+Y)"
        >
          <Icon name="redo" />
        </button>
        <button
          type="button"
          class="button small ghost"
          onClick={toggleTheme}
          aria-label="Light or dark"
          title="Light or dark"
        >
          <Icon name="theme" />
        </button>
        <button
          type="button"
          class="button small ghost"
          onClick={() => {
            paletteOpen.value = true;
          }}
          aria-label="Command palette (Ctrl+K)"
          title="Command palette (Ctrl+K)"
        >
          <Icon name="command" />
        </button>
        <button
          type="button"
          class="button small ghost"
          onClick={() => {
            helpOpen.value = true;
          }}
          aria-label="Keyboard shortcuts (?)"
          title="Keyboard shortcuts (?)"
        >
          <Icon name="help" />
        </button>
      </span>
    </header>
  );
}
