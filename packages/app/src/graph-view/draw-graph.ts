import { CARD, CARD_TEXT, fitText, traceHead, traceLine } from "@equant/report/graph";
import { type Camera, type Size, windowOf } from "./camera.js";
import type { CardStyle } from "./card-style.js";
import { REACH } from "./line-boxes.js";
import type { Theme } from "./theme.js";
import type { Placed } from "./view-model.js";

/** Everything a frame is drawn from. */
export interface Scene {
  readonly placed: Placed;
  readonly boxes: Float64Array;
  readonly styles: readonly CardStyle[];
  readonly theme: Theme;
  readonly current: number | undefined;
  readonly path: ReadonlySet<number> | undefined;
  readonly matches: ReadonlySet<number>;
  /** Shortened texts by card, filled as cards come into view; belongs to the placed graph. */
  readonly texts: (readonly [title: string, subtitle: string] | undefined)[];
}

/** Below these zooms text is not drawn: nobody could read it. Values are printed above 60 %. */
const TITLE_ZOOM = 0.45;
const VALUE_ZOOM = 0.6;
const TITLE_FONT = "600 14px system-ui, sans-serif";
const TEXT_FONT = "12.5px system-ui, sans-serif";

/** Cards in or at the edge of the window, in order. */
export function visibleCards({ layout }: Placed, camera: Camera, view: Size): number[] {
  const [left, top, right, bottom] = windowOf(camera, view);
  const found: number[] = [];
  for (let card = 0; card < layout.x.length; card++) {
    const x = layout.x[card]!;
    const y = layout.y[card]!;
    if (x + REACH.x < left || x - REACH.x > right || y + REACH.y < top || y - REACH.y > bottom) continue;
    found.push(card);
  }
  return found;
}

/** Draws one frame; only what is in the window is touched. Returns how many cards and edges that were. */
export function drawGraph(
  context: CanvasRenderingContext2D,
  scene: Scene,
  camera: Camera,
  view: Size,
  ratio: number,
): { cards: number; edges: number } {
  const { theme } = scene;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.globalAlpha = 1;
  context.fillStyle = theme.ground;
  context.fillRect(0, 0, view.width, view.height);
  context.setTransform(ratio * camera.zoom, 0, 0, ratio * camera.zoom, ratio * camera.x, ratio * camera.y);
  const edges = drawEdges(context, scene, camera, view);
  const visible = visibleCards(scene.placed, camera, view);
  drawBoxes(context, scene, camera, visible);
  if (camera.zoom >= TITLE_ZOOM) drawTexts(context, scene, camera, visible);
  return { cards: visible.length, edges };
}

function drawEdges(context: CanvasRenderingContext2D, scene: Scene, camera: Camera, view: Size): number {
  const { placed, boxes, theme, path, current } = scene;
  const [left, top, right, bottom] = windowOf(camera, view);
  const { edges } = placed.folded;
  const smooth = camera.zoom > 0.15;
  const heads = camera.zoom > 0.5;
  const strong: number[] = [];
  let drawn = 0;
  context.setLineDash([]);
  context.beginPath();
  for (let edge = 0; edge < edges.length; edge++) {
    const box = 4 * edge;
    if (boxes[box]! > right || boxes[box + 1]! > bottom || boxes[box + 2]! < left || boxes[box + 3]! < top) continue;
    const [from, to] = edges[edge]!;
    drawn++;
    if (path ? path.has(from) && path.has(to) : from === current || to === current) strong.push(edge);
    else trace(edge);
  }
  context.strokeStyle = theme.edge;
  context.globalAlpha = path ? 0.3 : 1;
  context.lineWidth = Math.max(1.25, 0.75 / camera.zoom);
  context.stroke();
  context.globalAlpha = 1;
  if (strong.length === 0) return drawn;
  context.beginPath();
  strong.forEach(trace);
  context.strokeStyle = theme.accent;
  context.lineWidth = Math.max(2.25, 1.5 / camera.zoom);
  context.stroke();
  return drawn;

  function trace(edge: number): void {
    const line = placed.layout.lines[edge]!;
    traceLine(context, line, smooth);
    if (heads) traceHead(context, line);
  }
}

function drawBoxes(context: CanvasRenderingContext2D, scene: Scene, camera: Camera, visible: readonly number[]): void {
  const { placed, styles, theme } = scene;
  const { x, y } = placed.layout;
  const border = camera.zoom > 0.12;
  const round = camera.zoom > 0.3;
  for (const card of visible) {
    const style = styles[card]!;
    const left = x[card]! - CARD.width / 2;
    const top = y[card]! - CARD.height / 2;
    const kind = placed.folded.cards[card]!.kind;
    context.globalAlpha = style.faint ? 0.25 : 1;
    context.fillStyle = border || style.fill !== theme.card ? style.fill : theme.border;
    if (!border) {
      context.fillRect(left, top, CARD.width, CARD.height);
      continue;
    }
    context.strokeStyle = theme.border;
    context.lineWidth = Math.max(1.25, 0.8 / camera.zoom);
    if (round && style.dash.length > 0) context.setLineDash(style.dash as number[]);
    if (!round) {
      context.fillRect(left, top, CARD.width, CARD.height);
      context.strokeRect(left, top, CARD.width, CARD.height);
      continue;
    }
    if (kind === "block") {
      // A second card behind the first: there is more of the same inside.
      context.strokeRect(left + 5, top + 5, CARD.width, CARD.height);
    }
    context.beginPath();
    context.roundRect(left, top, CARD.width, CARD.height, kind === "input" || kind === "output" ? CARD.height / 2 : 6);
    context.fill();
    context.stroke();
    if (style.dash.length > 0) context.setLineDash([]);
  }
  context.globalAlpha = 1;
  drawRings(context, scene, camera, visible);
}

/** Found cards and the selected one, at the same width on the screen at every zoom. */
function drawRings(context: CanvasRenderingContext2D, scene: Scene, camera: Camera, visible: readonly number[]): void {
  const { placed, theme, matches, current } = scene;
  for (const card of visible) {
    const selected = card === current;
    if (!selected && !matches.has(card)) continue;
    const gap = 3 / camera.zoom;
    context.strokeStyle = selected ? theme.accent : theme.match;
    context.lineWidth = (selected ? 3 : 2) / camera.zoom;
    const left = placed.layout.x[card]! - CARD.width / 2 - gap;
    const top = placed.layout.y[card]! - CARD.height / 2 - gap;
    context.strokeRect(left, top, CARD.width + 2 * gap, CARD.height + 2 * gap);
  }
}

function drawTexts(context: CanvasRenderingContext2D, scene: Scene, camera: Camera, visible: readonly number[]): void {
  const { placed, styles, texts } = scene;
  const values = camera.zoom > VALUE_ZOOM;
  context.textBaseline = "alphabetic";
  context.textAlign = "left";
  const width = CARD.width - 2 * CARD_TEXT.side;
  for (const card of visible) {
    if (texts[card]) continue;
    const { title, subtitle } = placed.folded.cards[card]!;
    context.font = TITLE_FONT;
    const head = fitText(title, width, (text) => context.measureText(text).width);
    context.font = TEXT_FONT;
    texts[card] = [head, fitText(subtitle, width, (text) => context.measureText(text).width)];
  }
  // One pass a font: setting it is what costs.
  const pass = (font: string, draw: (card: number, left: number, top: number) => void) => {
    context.font = font;
    for (const card of visible) {
      // On a faint card the ground shines through: the ink of the ground is what can be read there.
      context.globalAlpha = styles[card]!.faint ? 0.7 : 1;
      context.fillStyle = styles[card]!.faint ? scene.theme.ink : styles[card]!.ink;
      const terminal = placed.folded.cards[card]!.nodeIds.length === 0 || placed.folded.cards[card]!.kind === "input";
      context.textAlign = terminal ? "center" : "left";
      const left = terminal ? placed.layout.x[card]! : placed.layout.x[card]! - CARD.width / 2 + CARD_TEXT.side;
      draw(card, left, placed.layout.y[card]! - CARD.height / 2);
    }
  };
  pass(TITLE_FONT, (card, left, top) =>
    context.fillText(texts[card]![0], left, top + (values ? CARD_TEXT.title : CARD_TEXT.subtitle)),
  );
  if (values) {
    pass(TEXT_FONT, (card, left, top) => {
      const { value, badge } = styles[card]!;
      context.fillText(texts[card]![1], left, top + CARD_TEXT.subtitle);
      if (value) context.fillText(value, left, top + CARD_TEXT.value);
      if (!badge) return;
      context.textAlign = "right";
      context.fillText(badge, left + width, top + CARD_TEXT.value);
      context.textAlign = "left";
    });
  }
  context.globalAlpha = 1;
}
