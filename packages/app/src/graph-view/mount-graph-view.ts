import { CARD } from "@equant/report/graph";
import { effect, signal } from "@preact/signals";
import { createAccessibleCards } from "./accessible-cards.js";
import { type Camera, centreOn, fitCamera, homeCamera, panBy, type Size, zoomAt } from "./camera.js";
import { cardStyles } from "./card-style.js";
import { drawGraph, type Scene, visibleCards } from "./draw-graph.js";
import { element } from "./element.js";
import { handleKey, KEY_HELP, type KeyTarget } from "./keyboard.js";
import { createLegend } from "./legend.js";
import { lineBoxes } from "./line-boxes.js";
import { createMinimap } from "./minimap.js";
import { listenToPointer } from "./pointer.js";
import { adoptStyles } from "./styles.js";
import { isDark, readTheme, themeKey } from "./theme.js";
import { createToolbar } from "./toolbar.js";
import { createViewModel, type Placed, type ViewModelOptions } from "./view-model.js";

export interface GraphViewOptions extends ViewModelOptions {
  /** Overrides the theme of the page. Default: that of `:root[data-theme]`, else of the system. */
  readonly theme?: "light" | "dark";
}

export interface GraphView {
  dispose(): void;
  /** Shows the whole graph. */
  fit(): void;
  /** Sets the query and selects the first node found. */
  search(query: string): void;
  /** Moves the keyboard focus to the graph. */
  focus(): void;
  readonly camera: Camera;
  /** Time of the last frames on the main thread, ms, newest last. */
  readonly drawTimes: readonly number[];
  setCamera(camera: Camera): void;
}

const TIMES = 240;
/** Length of a camera move, ms; none where the user asked for reduced motion. */
const MOVE_MS = 180;
/** The hidden nodes follow the view when it has been still for this long, ms. */
const SETTLE_MS = 150;

/** Draws a graph into a container and keeps it in step with the signals it was given, until disposed. */
export function mountGraphView(container: HTMLElement, options: GraphViewOptions): GraphView {
  adoptStyles();
  const model = createViewModel(options);
  const dark = signal(false);
  const canvas = element("canvas", {
    class: "eq-graph-canvas",
    role: "application",
    tabindex: "0",
    "aria-label": `Network graph. ${KEY_HELP}`,
  });
  const busy = element("div", { class: "eq-graph-busy", role: "status" });
  const map = createMinimap((x, y) => setCamera(centreOn(camera, view, x, y)));
  const context = canvas.getContext("2d", { alpha: false })!;
  const listeners = new AbortController();
  const accessible = createAccessibleCards(canvas, model);
  const target: KeyTarget = {
    zoom: (factor) => setCamera(zoomAt(camera, factor, view.width / 2, view.height / 2)),
    pan: (dx, dy) => setCamera(panBy(camera, dx, dy)),
    fit: () => moveTo(fitted()),
    focusSearch: () => toolbar.focusSearch(),
  };
  const toolbar = createToolbar(model, target, () => canvas.focus());
  const legend = createLegend(model, dark);
  const stage = element("div", { class: "eq-graph-stage" }, canvas, map.element, busy);
  const root = element("div", { class: "eq-graph" }, toolbar.element, stage, legend.element);
  if (options.theme) root.dataset.theme = options.theme;
  container.append(root);

  let camera: Camera = { x: 0, y: 0, zoom: 1 };
  let view: Size = { width: 0, height: 0 };
  let frame = 0;
  let tween = 0;
  let settle: ReturnType<typeof setTimeout> | undefined;
  let scene: Scene | undefined;
  let stale = true;
  let key = "";
  let fittedOnce = false;
  const drawTimes: number[] = [];

  function requestDraw(): void {
    frame ||= requestAnimationFrame(draw);
  }

  function draw(): void {
    frame = 0;
    const placed = model.placed.value;
    const started = performance.now();
    const theme = readTheme(root, context);
    const ratio = Math.min(devicePixelRatio || 1, 2);
    if (themeKey(theme) !== key) {
      key = themeKey(theme);
      dark.value = isDark(theme);
      stale = true;
    }
    if (!placed || view.width === 0) return;
    if (stale || scene?.placed !== placed) {
      const same = scene?.placed === placed ? scene : undefined;
      scene = {
        placed,
        theme,
        boxes: same?.boxes ?? lineBoxes(placed.layout),
        texts: same?.texts ?? [],
        styles: cardStyles(model, theme),
        current: model.current.value,
        path: model.path.value,
        matches: model.matches.value,
      };
      stale = false;
      map.draw(scene, ratio);
    }
    drawGraph(context, scene, camera, view, ratio);
    map.frame(camera, view);
    drawTimes.push(performance.now() - started);
    if (drawTimes.length > TIMES) drawTimes.shift();
    clearTimeout(settle);
    settle = setTimeout(describe, SETTLE_MS);
  }

  function describe(): void {
    const placed = model.placed.value;
    if (placed) accessible.update(visibleCards(placed, camera, view));
  }

  function setCamera(next: Camera): void {
    cancelAnimationFrame(tween);
    camera = next;
    requestDraw();
  }

  function moveTo(to: Camera): void {
    cancelAnimationFrame(tween);
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      setCamera(to);
      return;
    }
    const from = camera;
    const started = performance.now();
    const step = (now: number) => {
      const t = Math.min(1, Math.max(0, (now - started) / MOVE_MS));
      const eased = t * (2 - t);
      const mix = (a: number, b: number) => a + (b - a) * eased;
      camera = { x: mix(from.x, to.x), y: mix(from.y, to.y), zoom: mix(from.zoom, to.zoom) };
      requestDraw();
      if (t < 1) tween = requestAnimationFrame(step);
    };
    tween = requestAnimationFrame(step);
  }

  const drawing = () => model.placed.value?.layout ?? { width: 0, height: 0 };
  const fitted = () => fitCamera(drawing(), view);
  const home = () => homeCamera(drawing(), view);

  /** Brings the selected card into view, at a zoom where its title can be read. */
  function reveal(): void {
    const card = model.current.value;
    const placed = model.placed.value;
    if (card === undefined || !placed || view.width === 0) return;
    const x = placed.layout.x[card]!;
    const y = placed.layout.y[card]!;
    const left = x * camera.zoom + camera.x;
    const top = y * camera.zoom + camera.y;
    const [w, h] = [(CARD.width / 2) * camera.zoom + 8, (CARD.height / 2) * camera.zoom + 8];
    const inside = left > w && left < view.width - w && top > h && top < view.height - h;
    if (inside && camera.zoom >= 0.5) return;
    moveTo(centreOn({ ...camera, zoom: Math.max(camera.zoom, 0.75) }, view, x, y));
  }

  /** After a change of folding the selected card stays where it was on the screen. */
  function anchor(before: Placed | undefined, now: Placed): void {
    if (!before || !fittedOnce) {
      if (view.width > 0) {
        camera = home();
        fittedOnce = true;
      }
      return;
    }
    if (before.folded.hash === now.folded.hash) return;
    const selected = model.selection.value;
    const old = before.folded.cardOf.get(selected ?? "");
    const card = now.folded.cardOf.get(selected ?? "");
    if (old === undefined || card === undefined) {
      camera = home();
      return;
    }
    camera = panBy(
      camera,
      (before.layout.x[old]! - now.layout.x[card]!) * camera.zoom,
      (before.layout.y[old]! - now.layout.y[card]!) * camera.zoom,
    );
  }

  const resize = new ResizeObserver(() => {
    const ratio = Math.min(devicePixelRatio || 1, 2);
    view = { width: stage.clientWidth, height: stage.clientHeight };
    canvas.width = Math.max(1, Math.round(view.width * ratio));
    canvas.height = Math.max(1, Math.round(view.height * ratio));
    if (!fittedOnce && model.placed.value && view.width > 0) {
      camera = home();
      fittedOnce = true;
    }
    // A resized canvas is blank until drawn: not in the next frame, but in this one.
    cancelAnimationFrame(frame);
    draw();
  });
  resize.observe(stage);

  const cardAt = (x: number, y: number): number | undefined => {
    const placed = model.placed.value;
    if (!placed) return undefined;
    const [wx, wy] = [(x - camera.x) / camera.zoom, (y - camera.y) / camera.zoom];
    return visibleCards(placed, camera, view).find(
      (card) =>
        Math.abs(placed.layout.x[card]! - wx) <= CARD.width / 2 &&
        Math.abs(placed.layout.y[card]! - wy) <= CARD.height / 2,
    );
  };
  const pointerTarget = {
    camera: () => camera,
    setCamera,
    tap: (x: number, y: number) => model.select(cardAt(x, y)),
    doubleTap: (x: number, y: number) => {
      const card = cardAt(x, y);
      if (card !== undefined) model.toggle(card);
    },
  };
  listenToPointer(canvas, pointerTarget, listeners.signal);
  const onKey = (event: KeyboardEvent) => {
    if (!handleKey(event, model, target)) return;
    event.preventDefault();
    event.stopPropagation();
  };
  canvas.addEventListener("keydown", onKey, { signal: listeners.signal });
  for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) {
    matchMedia(query).addEventListener("change", requestDraw, { signal: listeners.signal });
  }
  const themed = new MutationObserver(requestDraw);
  themed.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme", "class", "style"] });

  let last: Placed | undefined;
  const stops = [
    effect(() => {
      const now = model.placed.value;
      if (now && now !== last) anchor(last, now);
      last = now;
    }),
    effect(() => {
      // What the styles of the cards are made from: reading it here subscribes to it.
      void [model.placed.value, model.values.value, model.bins.value, model.faint.value, model.matches.value];
      void [model.current.value, model.path.value, model.overlay.value];
      stale = true;
      requestDraw();
    }),
    effect(() => {
      if (model.current.value !== undefined) reveal();
    }),
    effect(() => {
      busy.hidden = !model.busy.value;
      busy.textContent = model.busy.value ? "Laying out…" : "";
    }),
  ];

  return {
    fit: target.fit,
    focus: () => canvas.focus(),
    search(query) {
      model.query.value = query;
      if (query !== "") model.step(1);
    },
    get camera() {
      return camera;
    },
    drawTimes,
    setCamera,
    dispose() {
      listeners.abort();
      resize.disconnect();
      themed.disconnect();
      cancelAnimationFrame(frame);
      cancelAnimationFrame(tween);
      clearTimeout(settle);
      for (const stop of [...stops, model.dispose, toolbar.dispose, legend.dispose]) stop();
      root.remove();
    },
  };
}
