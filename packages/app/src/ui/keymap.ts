import { signal } from "@preact/signals";
import { remember, remembered } from "../state/local.js";

/** Keys that a person gave to commands, by their id; an empty list: none. Commands that are not in it keep their own. */
export type KeyMap = Readonly<Record<string, readonly string[]>>;

/** A command as far as keys go. */
interface Keyed {
  readonly id: string;
  readonly keys?: readonly string[];
}

const KEY = "equant.keys";

export const customKeys = signal<KeyMap>(readKeyMap(remembered(KEY)));

/** A map from storage; anything else is none. */
export function readKeyMap(text: string | null): KeyMap {
  try {
    const json: unknown = JSON.parse(text ?? "{}");
    if (typeof json !== "object" || json === null) return {};
    const entries = Object.entries(json).filter(
      ([, keys]) => Array.isArray(keys) && keys.every((key) => typeof key === "string"),
    );
    return Object.fromEntries(entries);
  } catch {
    return {};
  }
}

/** Keys of a command, as they are now. */
export function keysOf({ id, keys = [] }: Keyed, map: KeyMap = customKeys.value): readonly string[] {
  return Object.hasOwn(map, id) ? map[id]! : keys;
}

/** Keys that work everywhere in a browser, or that lists, forms and dialogs need themselves. */
const RESERVED =
  /^(Tab|Enter| |Escape|Arrow\w+|Home|End|Page\w+|Backspace|Delete|Shift|Control|Alt|AltGraph|Meta|CapsLock|Dead|Process|Unidentified)$/;

/** Whether a key press may be given to a command. */
export function isAssignable(name: string): boolean {
  return !RESERVED.test(name.split("+").at(-1)! || "+");
}

/** The map with one key for a command; another command that had it loses it. */
export function assignKey(map: KeyMap, commands: readonly Keyed[], id: string, name: string): KeyMap {
  const next: Record<string, readonly string[]> = { ...map };
  for (const command of commands) {
    const own = keysOf(command, map);
    // `g` alone would shadow `g t`, whose first half it is.
    const kept = own.filter((keys) => keys !== name && !keys.startsWith(`${name} `));
    if (command.id !== id && kept.length < own.length) next[command.id] = kept;
  }
  next[id] = [name];
  return next;
}

export function setKeys(map: KeyMap): void {
  customKeys.value = map;
  remember(KEY, JSON.stringify(map));
}
