import { CARD } from "@equant/report/graph";
import { type Camera, type Size, windowOf } from "./camera.js";
import type { Scene } from "./draw-graph.js";

const LIMIT: Size = { width: 168, height: 128 };

/** The whole graph small, with a frame around what is seen. Drawn again only when the cards change. */
export interface Minimap {
  readonly element: HTMLElement;
  draw(scene: Scene, ratio: number): void;
  frame(camera: Camera, view: Size): void;
}

/** `move` gets the world point under the pointer. */
export function createMinimap(move: (x: number, y: number) => void): Minimap {
  const element = document.createElement("div");
  element.className = "eq-graph-map";
  // A pointer's shortcut: what it does, the arrow keys and the buttons do as well.
  element.setAttribute("aria-hidden", "true");
  const canvas = document.createElement("canvas");
  const frame = document.createElement("div");
  element.append(canvas, frame);
  let scale = 1;
  let size: Size = LIMIT;
  const go = (event: PointerEvent) => {
    if (event.buttons === 0) return;
    const box = canvas.getBoundingClientRect();
    move((event.clientX - box.left) / scale, (event.clientY - box.top) / scale);
  };
  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    go(event);
  });
  element.addEventListener("pointermove", go);
  return {
    element,
    draw({ placed: { layout, folded }, styles, theme }, ratio) {
      const width = Math.max(layout.width, CARD.width);
      const height = Math.max(layout.height, CARD.height);
      scale = Math.min(LIMIT.width / width, LIMIT.height / height);
      size = { width: Math.max(24, width * scale), height: Math.max(24, height * scale) };
      canvas.width = Math.ceil(size.width * ratio);
      canvas.height = Math.ceil(size.height * ratio);
      canvas.style.width = `${size.width}px`;
      canvas.style.height = `${size.height}px`;
      const context = canvas.getContext("2d")!;
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      const least = 1.5;
      folded.cards.forEach((_, card) => {
        const { fill, faint } = styles[card]!;
        context.globalAlpha = faint ? 0.2 : 1;
        context.fillStyle = fill === theme.card || fill === theme.ground ? theme.border : fill;
        const w = Math.max(least, CARD.width * scale);
        const h = Math.max(least, CARD.height * scale);
        context.fillRect(layout.x[card]! * scale - w / 2, layout.y[card]! * scale - h / 2, w, h);
      });
    },
    frame(camera, view) {
      const [left, top, right, bottom] = windowOf(camera, view);
      const x0 = Math.max(0, left * scale);
      const y0 = Math.max(0, top * scale);
      const x1 = Math.min(size.width, right * scale);
      const y1 = Math.min(size.height, bottom * scale);
      frame.style.transform = `translate(${x0}px,${y0}px)`;
      frame.style.width = `${Math.max(4, x1 - x0)}px`;
      frame.style.height = `${Math.max(4, y1 - y0)}px`;
    },
  };
}
