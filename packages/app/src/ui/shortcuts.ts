import { question } from "../state/question.js";
import { COMMANDS, isAllowed } from "./commands.js";
import { keysOf } from "./keymap.js";
import { helpOpen, paletteOpen } from "./overlays.js";

/** How long the first of two keys waits for the second. */
const CHORD_MS = 1000;

/** A key press as it is written in a list of commands: `Ctrl+Shift+Z`, `?`, `j`. */
export function keyName({ key, ctrlKey, metaKey, shiftKey, altKey }: KeyboardEvent): string {
  const command = ctrlKey || metaKey;
  const letter = key.length === 1 && command ? key.toUpperCase() : key;
  return `${command ? "Ctrl+" : ""}${altKey ? "Alt+" : ""}${command && shiftKey ? "Shift+" : ""}${letter}`;
}

function isTyping(target: EventTarget | null): boolean {
  const element = target as HTMLElement | null;
  if (!element) return false;
  const input = element instanceof HTMLInputElement && !["checkbox", "radio", "button", "file"].includes(element.type);
  return (
    input || element instanceof HTMLTextAreaElement || element instanceof HTMLSelectElement || element.isContentEditable
  );
}

/** Keys that the focused thing needs itself. */
function isTaken(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null;
  return event.key === "/" && target instanceof HTMLCanvasElement;
}

export function startShortcuts(): void {
  let first = "";
  let at = 0;
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || paletteOpen.value || helpOpen.value || question.value || isTaken(event)) return;
    const name = keyName(event);
    const single = !name.includes("+") && name !== "Escape";
    if (single && isTyping(event.target)) return;
    const chord = event.timeStamp - at < CHORD_MS && first !== "" ? `${first} ${name}` : name;
    const command = find(chord) ?? find(name);
    first = name;
    at = event.timeStamp;
    if (!command) return;
    first = "";
    event.preventDefault();
    command.run();
  });
}

function find(keys: string) {
  return COMMANDS.find((command) => keysOf(command).includes(keys) && isAllowed(command, keys));
}
