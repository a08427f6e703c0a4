import { useState } from "preact/hooks";
import { COMMANDS, type Command } from "../commands.js";
import { assignKey, customKeys, isAssignable, keysOf, setKeys } from "../keymap.js";
import { keyName } from "../shortcuts.js";

const MODIFIERS = ["Shift", "Control", "Alt", "AltGraph", "Meta"];

/** A command with its keys, which can be changed or taken away. */
export function KeyLine({ command }: { command: Command }) {
  const [waiting, setWaiting] = useState(false);
  const [refused, setRefused] = useState("");
  const { id, title } = command;
  const keys = keysOf(command);
  const take = (event: KeyboardEvent) => {
    if (!waiting || MODIFIERS.includes(event.key)) return;
    if (event.key === "Tab") {
      setWaiting(false);
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    const name = keyName(event);
    if (event.key !== "Escape" && !isAssignable(name)) {
      setRefused(`${event.key === " " ? "Space" : name} is needed elsewhere`);
      return;
    }
    if (event.key !== "Escape") setKeys(assignKey(customKeys.value, COMMANDS, id, name));
    setRefused("");
    setWaiting(false);
  };
  return (
    <div>
      <dt>
        {keys.map((key) => (
          <kbd key={key}>{key}</kbd>
        ))}
        {keys.length === 0 && <span class="hint">none</span>}
      </dt>
      <dd class="row key-line">
        <span class="grow">{title}</span>
        {refused && <span class="hint">{refused}</span>}
        <button
          type="button"
          class="button small ghost"
          aria-pressed={waiting}
          aria-label={waiting ? `press a key… for ${title}; Escape leaves it` : `Change the key of ${title}`}
          onClick={() => setWaiting(!waiting)}
          onBlur={() => setWaiting(false)}
          onKeyDown={take}
        >
          {waiting ? "press a key…" : "Change"}
        </button>
        <button
          type="button"
          class="button small ghost"
          disabled={keys.length === 0}
          aria-label={`None: remove the key for ${title}`}
          onClick={() => setKeys({ ...customKeys.value, [id]: [] })}
        >
          None
        </button>
      </dd>
    </div>
  );
}
