import { COMMANDS } from "../commands.js";
import { customKeys, keysOf, setKeys } from "../keymap.js";
import { helpOpen, shortcutsOn, toggleShortcuts } from "../overlays.js";
import { Dialog } from "../parts/dialog.js";
import { Check } from "../parts/fields.js";
import { KeyLine } from "./key-line.js";

const GRID_KEYS = [
  ["arrows, Home, End", "in the layer table: choose, unfold, fold"],
  ["Space", "in the layer table: quantize the layer, or leave it in float"],
  ["arrows, Enter, p, f", "in the graph: walk, unfold, path, fit"],
] as const;

/** All keys, and how to change them. */
export function Help() {
  if (!helpOpen.value) return null;
  const close = () => {
    helpOpen.value = false;
  };
  const withKeys = COMMANDS.filter((command) => command.keys || keysOf(command).length > 0);
  const without = COMMANDS.filter((command) => !withKeys.includes(command));
  return (
    <Dialog label="Keyboard shortcuts" onClose={close}>
      <header class="row">
        <h2>Keyboard shortcuts</h2>
        <button type="button" class="button small" onClick={close}>
          Close
        </button>
      </header>
      <div class="row">
        <Check checked={shortcutsOn.value} onChange={toggleShortcuts}>
          Shortcuts of a single key
        </Check>
        <button
          type="button"
          class="button small"
          disabled={Object.keys(customKeys.value).length === 0}
          onClick={() => setKeys({})}
        >
          All as they were
        </button>
        <span class="hint">kept in this browser</span>
      </div>
      <dl class="keys">
        {withKeys.map((command) => (
          <KeyLine key={command.id} command={command} />
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
      <details>
        <summary>Actions without a key</summary>
        <dl class="keys">
          {without.map((command) => (
            <KeyLine key={command.id} command={command} />
          ))}
        </dl>
      </details>
      <p class="hint">
        equant {VERSION}: <a href="notices.txt">licences of what it contains</a>
      </p>
    </Dialog>
  );
}
