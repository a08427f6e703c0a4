import { COMMANDS } from "../commands.js";
import { helpOpen, shortcutsOn, toggleShortcuts } from "../overlays.js";
import { Dialog } from "../parts/dialog.js";
import { Check } from "../parts/fields.js";

const GRID_KEYS = [
  ["arrows, Home, End", "in the layer table: choose, unfold, fold"],
  ["Space", "in the layer table: quantize the layer, or leave it in float"],
  ["arrows, Enter, p, f", "in the graph: walk, unfold, path, fit"],
] as const;

/** All keys. */
export function Help() {
  if (!helpOpen.value) return null;
  const close = () => {
    helpOpen.value = false;
  };
  return (
    <Dialog label="Keyboard shortcuts" onClose={close}>
      <header class="row">
        <h2>Keyboard shortcuts</h2>
        <button type="button" class="button small" onClick={close}>
          Close
        </button>
      </header>
      <Check checked={shortcutsOn.value} onChange={toggleShortcuts}>
        Shortcuts of a single key
      </Check>
      <dl class="keys">
        {COMMANDS.filter(({ keys }) => keys).map(({ id, title, keys }) => (
          <div key={id}>
            <dt>
              {keys!.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{title}</dd>
          </div>
        ))}
        {GRID_KEYS.map(([keys, title]) => (
          <div key={keys + title}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{title}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
