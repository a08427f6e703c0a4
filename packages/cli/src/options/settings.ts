import type { Command } from "commander";

/** Where a setting came from; `found`: looked up in the model and the data. */
export type SettingSource = "flag" | "config" | "default" | "found";

export interface Setting {
  readonly value: unknown;
  readonly from: SettingSource;
}

/** Options that steer the command's own output, not its result. */
const NOT_SETTINGS = new Set(["json", "table", "quiet", "verbose", "progress", "color", "log", "config"]);

/** Options whose two numbers are a height and a width. */
const SIZES = new Set(["resize", "crop"]);

/** The resolved settings of a run and where each came from, in the order of the options. */
export class Settings {
  readonly #entries = new Map<string, Setting>();

  /** Reads all options of a parsed command; defaults of `unused` ones are left out. */
  static of(command: Command, unused: readonly string[] = []): Settings {
    const settings = new Settings();
    for (const option of command.options) {
      const key = option.attributeName();
      const value = command.getOptionValue(key) as unknown;
      if (NOT_SETTINGS.has(key) || value === undefined) continue;
      const source = command.getOptionValueSource(key);
      if (source === "default" && unused.includes(key)) continue;
      settings.set(key, value, source === "cli" ? "flag" : source === "config" ? "config" : "default");
    }
    return settings;
  }

  /** Adds or replaces a setting: for what is decided while running, such as the batch size. */
  set(name: string, value: unknown, from: SettingSource): void {
    this.#entries.set(name, { value, from });
  }

  get(name: string): Setting | undefined {
    return this.#entries.get(name);
  }

  /** Those of `names` that a person gave, as words of a command line. */
  words(names: readonly string[]): string[] {
    return names.flatMap((name) => {
      const { value, from } = this.#entries.get(name) ?? { value: undefined, from: "default" };
      if (value === undefined || value === false || from === "default" || from === "found") return [];
      const flag = `--${kebab(name)}`;
      if (value === true) return [flag];
      if (!Array.isArray(value)) return [flag, String(value)];
      if (value.every((each) => typeof each === "string")) return value.flatMap((each) => [flag, each]);
      return [flag, value.join(SIZES.has(name) ? "x" : ",")];
    });
  }

  /** JSON form: `{ weights: { value: "int8", from: "default" } }`. */
  toJSON(): Record<string, Setting> {
    return Object.fromEntries(this.#entries);
  }

  /** `weights int8 (default) · samples 100 (flag)`, wrapped to `columns`. */
  lines(columns = 100): string[] {
    const lines: string[] = [];
    for (const [name, { value, from }] of this.#entries) {
      const item = `${kebab(name)} ${printed(value)} (${from})`;
      const last = lines.at(-1);
      if (last !== undefined && last.length + 3 + item.length <= columns) lines[lines.length - 1] = `${last} · ${item}`;
      else lines.push(item);
    }
    return lines;
  }
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function printed(value: unknown): string {
  if (value === true) return "on";
  if (value === false) return "off";
  if (Array.isArray(value)) return value.map(printed).join(",");
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}
