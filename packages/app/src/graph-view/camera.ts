/** screen = world × zoom + offset, in CSS pixels. */
export interface Camera {
  readonly x: number;
  readonly y: number;
  readonly zoom: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

const ZOOM_MIN = 0.01;
const ZOOM_MAX = 4;
const clamp = (zoom: number) => Math.min(ZOOM_MAX, Math.max(ZOOM_MIN, zoom));

/** The point under (screenX, screenY) stays where it is. */
export function zoomAt(camera: Camera, factor: number, screenX: number, screenY: number): Camera {
  const zoom = clamp(camera.zoom * factor);
  const ratio = zoom / camera.zoom;
  return { zoom, x: screenX - (screenX - camera.x) * ratio, y: screenY - (screenY - camera.y) * ratio };
}

export const panBy = (camera: Camera, dx: number, dy: number): Camera => ({
  ...camera,
  x: camera.x + dx,
  y: camera.y + dy,
});

/** The whole drawing in the middle, never enlarged. An empty drawing or view gives the identity. */
export function fitCamera(drawing: Size, view: Size, margin = 24): Camera {
  if (drawing.width <= 0 || drawing.height <= 0 || view.width <= 0 || view.height <= 0) return { x: 0, y: 0, zoom: 1 };
  const zoom = clamp(
    Math.min(1, (view.width - 2 * margin) / drawing.width, (view.height - 2 * margin) / drawing.height),
  );
  return { zoom, x: (view.width - drawing.width * zoom) / 2, y: (view.height - drawing.height * zoom) / 2 };
}

/** Zoom below which a graph that is opened shows its beginning rather than all of itself too small to read. */
const READABLE = 0.75;

/** Where a graph is opened: all of it where that can be read, else its beginning, readable; the map shows the rest. */
export function homeCamera(drawing: Size, view: Size): Camera {
  const fit = fitCamera(drawing, view);
  if (fit.zoom >= READABLE || drawing.height <= 0) return fit;
  return { zoom: READABLE, x: Math.max(24, (view.width - drawing.width * READABLE) / 2), y: 24 };
}

/** A world point in the middle of the view. */
export const centreOn = (camera: Camera, view: Size, worldX: number, worldY: number): Camera => ({
  ...camera,
  x: view.width / 2 - worldX * camera.zoom,
  y: view.height / 2 - worldY * camera.zoom,
});

/** The part of the world that is seen: left, top, right, bottom. */
export const windowOf = (
  { x, y, zoom }: Camera,
  { width, height }: Size,
): readonly [number, number, number, number] => [-x / zoom, -y / zoom, (width - x) / zoom, (height - y) / zoom];
