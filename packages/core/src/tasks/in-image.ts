import type { ClassMask, ImagePlacement } from "../data/index.js";
import type { Box } from "../metrics/index.js";
import type { SampleAnswer } from "./answer.js";
import type { InputSize } from "./heads/head.js";

/** An answer in pixels of the network's input → the same in pixels of the image, cut at its edges. */
export function inImage(answer: SampleAnswer, placement: ImagePlacement, input: InputSize): SampleAnswer {
  const { objects, mask } = answer;
  if (mask) return { mask: maskInImage(mask, placement, input) };
  if (!objects) return answer;
  const { width, height, scale, offset } = placement;
  const x = (value: number) => (value - offset[0]) / scale[0];
  const y = (value: number) => (value - offset[1]) / scale[1];
  const within = (value: number, most: number) => Math.min(most, Math.max(0, value));
  const boxOf = ([left, top, w, h]: Box): Box => {
    const [a, b] = [within(x(left), width), within(y(top), height)];
    return [a, b, within(x(left + w), width) - a, within(y(top + h), height) - b];
  };
  return {
    objects: objects.map(({ box, keypoints, ...object }) => ({
      ...object,
      box: boxOf(box),
      ...(keypoints && {
        keypoints: keypoints.map((value, i) => (i % 3 === 0 ? x(value) : i % 3 === 1 ? y(value) : value)),
      }),
    })),
  };
}

/** The nearest pixel's class; what lies outside the input (cropped away) is of no class. */
function maskInImage({ width, height, classes }: ClassMask, placement: ImagePlacement, input: InputSize): ClassMask {
  const along = (size: number, scale: number, offset: number, cells: number, pixels: number) =>
    Int32Array.from({ length: size }, (_, i) => {
      const at = Math.floor((((i + 0.5) * scale + offset) * cells) / pixels);
      return at >= 0 && at < cells ? at : -1;
    });
  const columns = along(placement.width, placement.scale[0], placement.offset[0], width, input.width);
  const rows = along(placement.height, placement.scale[1], placement.offset[1], height, input.height);
  const found = new Uint8Array(placement.width * placement.height).fill(255);
  rows.forEach((row, y) => {
    if (row < 0) return;
    columns.forEach((column, x) => {
      if (column >= 0) found[y * placement.width + x] = classes[row * width + column]!;
    });
  });
  return { width: placement.width, height: placement.height, classes: found };
}
