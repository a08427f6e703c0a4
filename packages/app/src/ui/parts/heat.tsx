import { useLayoutEffect, useRef } from "preact/hooks";
import type { HeatMap } from "../../protocol.js";
import { theme } from "../theme.js";

/** Ends of the ramp: one hue, «more» far from the ground. */
const RAMPS = { light: ["#f2f7fc", "#0a3a70"], dark: ["#14202e", "#d3e6f5"] } as const;

const channels = (colour: string) => [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));

interface HeatProps {
  readonly map: HeatMap;
  /** What the darkest colour stands for. */
  readonly max: number;
  readonly caption: string;
}

/** Magnitudes as a small picture. */
export function Heat({ map, max, caption }: HeatProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const shown = theme.value;
  useLayoutEffect(() => {
    const { width, height, cells } = map;
    canvas.current!.width = width;
    canvas.current!.height = height;
    const [low, high] = RAMPS[shown].map(channels) as [number[], number[]];
    const pixels = new Uint8ClampedArray(4 * cells.length);
    cells.forEach((value, at) => {
      const share = max > 0 ? Math.sqrt(Math.min(1, value / max)) : 0;
      for (let c = 0; c < 3; c++) pixels[4 * at + c] = low[c]! + share * (high[c]! - low[c]!);
      pixels[4 * at + 3] = 255;
    });
    canvas.current!.getContext("2d")!.putImageData(new ImageData(pixels, width, height), 0, 0);
  }, [map, max, shown]);
  return (
    <figure class="heat">
      <canvas ref={canvas} role="img" aria-label={caption} />
      <figcaption>{caption}</figcaption>
    </figure>
  );
}
