import { type Camera, panBy, zoomAt } from "./camera.js";

/** What the pointer does to the view. */
export interface PointerTarget {
  camera(): Camera;
  setCamera(camera: Camera): void;
  /** A click that did not drag, in CSS pixels of the canvas. */
  tap(x: number, y: number): void;
  doubleTap(x: number, y: number): void;
}

/** A press that moves less than this is a click. */
const SLOP = 4;

/** Drag pans, wheel and two fingers zoom at the point under them. Listeners end with the signal. */
export function listenToPointer(canvas: HTMLCanvasElement, target: PointerTarget, signal: AbortSignal): void {
  const pointers = new Map<string, { x: number; y: number }>();
  let travelled = 0;
  const at = (event: MouseEvent) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  canvas.addEventListener(
    "pointerdown",
    (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      pointers.set(String(event.pointerId), at(event));
      if (pointers.size === 1) travelled = 0;
    },
    { signal },
  );
  canvas.addEventListener(
    "pointermove",
    (event) => {
      const key = String(event.pointerId);
      const before = pointers.get(key);
      if (!before) return;
      const now = at(event);
      const other = [...pointers].find(([id]) => id !== key)?.[1];
      travelled += Math.hypot(now.x - before.x, now.y - before.y);
      pointers.set(key, now);
      let camera = target.camera();
      if (other) {
        const ratio = distance(now, other) / Math.max(1, distance(before, other));
        camera = zoomAt(camera, ratio, (now.x + other.x) / 2, (now.y + other.y) / 2);
        camera = panBy(camera, (now.x - before.x) / 2, (now.y - before.y) / 2);
      } else if (travelled > SLOP) camera = panBy(camera, now.x - before.x, now.y - before.y);
      target.setCamera(camera);
    },
    { signal },
  );
  const up = (event: PointerEvent) => {
    if (!pointers.delete(String(event.pointerId))) return;
    if (event.type === "pointerup" && pointers.size === 0 && travelled <= SLOP) {
      const { x, y } = at(event);
      target.tap(x, y);
    }
  };
  canvas.addEventListener("pointerup", up, { signal });
  canvas.addEventListener("pointercancel", up, { signal });
  canvas.addEventListener(
    "dblclick",
    (event) => {
      const { x, y } = at(event);
      target.doubleTap(x, y);
    },
    { signal },
  );
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const { x, y } = at(event);
      if (event.shiftKey) return target.setCamera(panBy(target.camera(), -(event.deltaX || event.deltaY), 0));
      // Lines and pages as pixels; a pinch on a trackpad comes as small steps with the control key.
      const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1);
      target.setCamera(zoomAt(target.camera(), Math.exp(-pixels * (event.ctrlKey ? 0.01 : 0.0015)), x, y));
    },
    { signal, passive: false },
  );
}

const distance = (a: { x: number; y: number }, b: { x: number; y: number }) => Math.hypot(a.x - b.x, a.y - b.y);
