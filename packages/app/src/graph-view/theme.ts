import { luminance } from "@equant/report/graph";

/** Colours of the drawing, from CSS variables at the time of drawing: a theme is a swap of variables, no redraw code. */
export interface Theme {
  readonly ground: string;
  readonly card: string;
  readonly terminal: string;
  readonly block: string;
  readonly border: string;
  readonly edge: string;
  readonly accent: string;
  readonly match: string;
  readonly ink: string;
}

const VARIABLES = {
  ground: "--graph-ground",
  card: "--graph-card",
  terminal: "--graph-terminal",
  block: "--graph-block",
  border: "--graph-border",
  edge: "--graph-edge",
  accent: "--graph-accent",
  match: "--graph-match",
  ink: "--graph-ink",
} as const satisfies Record<keyof Theme, string>;

/** The canvas turns every notation, system colours included, into the one that contrast is computed from. */
export function readTheme(element: Element, context: CanvasRenderingContext2D): Theme {
  const style = getComputedStyle(element);
  const entries = Object.entries(VARIABLES).map(([key, variable]) => {
    context.fillStyle = "#808080";
    context.fillStyle = style.getPropertyValue(variable).trim();
    return [key, context.fillStyle];
  });
  return Object.fromEntries(entries) as unknown as Theme;
}

/** Whether the ground is dark: ramps then lead the other way. */
export const isDark = ({ ground }: Pick<Theme, "ground">): boolean => luminance(ground) < 0.2;

export const themeKey = (theme: Theme): string => Object.values(theme).join();
