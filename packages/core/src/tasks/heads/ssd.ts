import type { FoundThing } from "../answer.js";
import { type Head, type HeadSettings, type HeadTensor, type InputSize, scoring } from "./head.js";
import { boxAround, keepBest, SCORE } from "./keep-best.js";

/** Encodings are divided by these: centre, size (TensorFlow's object detection). */
const CENTRE = 10;
const SIZE = 5;

/** Boxes as offsets to anchors, and scores, in two outputs: [anchors, 4] and [anchors, classes], the first class being background. */
export const ssd: Head = {
  name: "ssd",
  help: "SSD: [anchors, 4] and [anchors, classes], offsets to anchors in parts of the image",
  read(outputs, _input, settings) {
    const boxes = outputs.findIndex(({ dims }) => dims.length === 2 && dims[1] === 4);
    const scores = outputs.findIndex(
      ({ dims }, i) => i !== boxes && dims.length === 2 && dims[0] === outputs[boxes]?.dims[0],
    );
    if (boxes < 0 || scores < 0) return undefined;
    const [rows] = outputs[boxes]!.dims as [number];
    const anchors = settings.anchors as readonly (readonly number[])[] | undefined;
    if (!anchors || anchors.length !== rows || anchors[0]!.length !== 4) {
      const given = anchors ? `${anchors.length} were given` : "which anchors belong to it?";
      return `"${outputs[boxes]!.name}" [${rows}, 4] and "${outputs[scores]!.name}" [${outputs[scores]!.dims.join(", ")}] may be SSD boxes of ${rows} anchors: ${given} {"head": "ssd", "anchors": [[top, left, bottom, right], …]} in parts of the image, or "anchors": "FILE.f32"`;
    }
    const columns = outputs[scores]!.dims[1]!;
    const { classes = Array.from({ length: columns - 1 }, (_, i) => i + 1) } = settings;
    const score = scoring(settings, outputs[scores]!.values);
    const reading = { boxes, scores, columns, classes, anchors, score, settings };
    return {
      name: `SSD, ${rows} anchors, ${classes.length} classes`,
      decode: (own, input) => ({ objects: keepBest(found(own, input, reading), settings) }),
    };
  },
};

interface Reading {
  readonly boxes: number;
  readonly scores: number;
  readonly columns: number;
  readonly classes: readonly number[];
  readonly anchors: readonly (readonly number[])[];
  readonly score: (value: number) => number;
  readonly settings: HeadSettings;
}

function found(outputs: readonly HeadTensor[], input: InputSize, reading: Reading): FoundThing[] {
  const { columns, classes, anchors, score: scoreOf, settings } = reading;
  const { score: least = SCORE } = settings;
  const codes = outputs[reading.boxes]!.values;
  const { values } = outputs[reading.scores]!;
  return anchors.flatMap(([top, left, bottom, right], i) => {
    const result: FoundThing[] = [];
    for (const [index, column] of classes.entries()) {
      const score = scoreOf(values[i * columns + column]!);
      if (!(score > least)) continue;
      const [ty, tx, th, tw] = [0, 1, 2, 3].map((j) => codes[4 * i + j]!) as [number, number, number, number];
      const [height, width] = [bottom! - top!, right! - left!];
      const y = (ty / CENTRE) * height + top! + height / 2;
      const x = (tx / CENTRE) * width + left! + width / 2;
      const [w, h] = [Math.exp(tw / SIZE) * width, Math.exp(th / SIZE) * height];
      result.push({
        class: index,
        score,
        box: boxAround(x * input.width, y * input.height, w * input.width, h * input.height),
      });
    }
    return result;
  });
}
