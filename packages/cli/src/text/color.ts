import type { ColorMode } from "../options/option-groups.js";

type Style = (text: string) => string;
export type Paint = Readonly<Record<"bold" | "dim" | "red" | "green" | "yellow" | "cyan", Style>>;

const code =
  (open: number, close: number): Style =>
  (text) =>
    `\u001b[${open}m${text}\u001b[${close}m`;
const plain: Style = (text) => text;

const COLORED: Paint = {
  bold: code(1, 22),
  dim: code(2, 22),
  red: code(31, 39),
  green: code(32, 39),
  yellow: code(33, 39),
  cyan: code(36, 39),
};
const PLAIN: Paint = { bold: plain, dim: plain, red: plain, green: plain, yellow: plain, cyan: plain };

export function paint(enabled: boolean): Paint {
  return enabled ? COLORED : PLAIN;
}

/**
 * Whether to colour a stream: the flag first, then FORCE_COLOR and NO_COLOR (no-color.org: any non-empty value),
 * then whether it is a terminal that can.
 */
export function useColor(
  mode: ColorMode,
  env: Readonly<Record<string, string | undefined>>,
  stream: { readonly isTTY?: boolean },
): boolean {
  if (mode !== "auto") return mode === "always";
  if (env.FORCE_COLOR) return env.FORCE_COLOR !== "0";
  if (env.NO_COLOR) return false;
  return stream.isTTY === true && env.TERM !== "dumb";
}
