import { useEffect, useRef, useState } from "preact/hooks";
import { COMMANDS, type Command } from "../commands.js";
import { keysOf } from "../keymap.js";
import { paletteOpen } from "../overlays.js";
import { Dialog } from "../parts/dialog.js";

function found(query: string): Command[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return COMMANDS.filter(
    ({ title, enabled }) => (enabled?.() ?? true) && words.every((word) => title.toLowerCase().includes(word)),
  );
}

/** Every action by name. */
export function Palette() {
  const [query, setQuery] = useState("");
  const [at, setAt] = useState(0);
  const list = useRef<HTMLDivElement>(null);
  const open = paletteOpen.value;
  useEffect(() => {
    setQuery("");
    setAt(0);
  }, [open]);
  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }, [at]);
  if (!open) return null;
  const commands = found(query);
  const close = () => {
    paletteOpen.value = false;
  };
  const run = (command: Command | undefined) => {
    close();
    // After the dialog has given the focus back.
    if (command) setTimeout(command.run);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") setAt(Math.min(commands.length - 1, at + 1));
    else if (event.key === "ArrowUp") setAt(Math.max(0, at - 1));
    else if (event.key === "Enter") run(commands[at]);
    else return;
    event.preventDefault();
  };
  return (
    <Dialog label="Command palette" onClose={close}>
      <input
        type="text"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={commands[at] && `palette-${commands[at].id}`}
        aria-label="Command"
        placeholder="What do you want to do?"
        value={query}
        onInput={(event) => {
          setQuery(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={onKeyDown}
      />
      <div class="palette-list" id="palette-list" role="listbox" aria-label="Commands" ref={list}>
        {commands.map((command, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the text field has the keys
          <div
            key={command.id}
            id={`palette-${command.id}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === at}
            onClick={() => run(command)}
          >
            <span>{command.title}</span>
            {keysOf(command)[0] && <kbd>{keysOf(command)[0]}</kbd>}
          </div>
        ))}
      </div>
      {commands.length === 0 && <p class="hint">Nothing of that name can be done now.</p>}
    </Dialog>
  );
}
