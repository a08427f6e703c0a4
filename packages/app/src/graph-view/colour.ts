/** Red, green, blue, 0–255. */
export type Rgb = readonly [number, number, number];

/** `#rgb`, `#rrggbb` or `rgb(r g b)` as a browser serialises a colour; black where the text is something else. */
export function parseColour(text: string): Rgb {
  const hex = /^#([0-9a-f]{3}|[0-9a-f]{6})$/i.exec(text.trim())?.[1];
  if (hex) {
    const digits = hex.length === 3 ? [...hex].map((digit) => digit + digit).join("") : hex;
    const value = Number.parseInt(digits, 16);
    return [value >> 16, (value >> 8) & 255, value & 255];
  }
  const parts = /^rgba?\(([^)]*)\)$/i.exec(text.trim())?.[1]?.match(/[\d.]+/g);
  return parts && parts.length >= 3 ? [Number(parts[0]), Number(parts[1]), Number(parts[2])] : [0, 0, 0];
}

/**
 * Relative luminance of WCAG 2.2: L = 0.2126 R + 0.7152 G + 0.0722 B, where each of R, G, B is c/12.92 for
 * c ≤ 0.04045 and ((c + 0.055)/1.055)^2.4 above, of the sRGB component c in 0–1.
 */
export function luminance(colour: string): number {
  const [r, g, b] = parseColour(colour).map((component) => {
    const c = component / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  }) as unknown as Rgb;
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Contrast ratio of WCAG 2.2, 1–21: (L1 + 0.05)/(L2 + 0.05) with L1 the lighter. */
export function contrast(a: string, b: string): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

/** The ink for text on a fill: near-black or white, whichever stands out more; always at least 4.5 : 1. */
export function inkOn(fill: string): string {
  return contrast("#ffffff", fill) > contrast("#000000", fill) ? "#ffffff" : "#000000";
}

export const isDark = (ground: string): boolean => luminance(ground) < 0.2;

/** Viridis in five steps, dark to light. */
const VIRIDIS = ["#440154", "#3b528b", "#21918c", "#5ec962", "#fde725"] as const;
/** One hue, lightness monotone: pale to deep on a light ground, deep to pale on a dark one, so that more stands out. */
const BLUE_ON_LIGHT = ["#dceaf7", "#a4cbea", "#64a3d8", "#2d74b5", "#0a4384"] as const;
const BLUE_ON_DARK = ["#0b2c52", "#1c5491", "#3d83c6", "#82b6e6", "#d3e7f9"] as const;
/** Okabe and Ito's categories: told apart under the common colour deficiencies. */
const CATEGORIES = ["#d55e00", "#009e73", "#56b4e9", "#e69f00"] as const;

/** Five steps of a ramp (four for categories) from the lowest bin to the highest. Low SQNR is what must stand out. */
export function rampOf(kind: "viridis" | "blue" | "categories", dark: boolean): readonly string[] {
  if (kind === "categories") return CATEGORIES;
  if (kind === "blue") return dark ? BLUE_ON_DARK : BLUE_ON_LIGHT;
  return dark ? [...VIRIDIS].reverse() : VIRIDIS;
}
