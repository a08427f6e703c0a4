import { boxOfCorners } from "../../metrics/index.js";
import type { FoundThing } from "../answer.js";
import type { Head, HeadSettings, HeadTensor, InputSize } from "./head.js";
import { SCORE } from "./keep-best.js";

/** Networks that suppress within: boxes, scores and classes in one output of six columns or in three outputs. */
export const suppressed: Head = {
  name: "suppressed",
  help: "non-maximum suppression inside: six columns, or boxes, scores and classes apart",
  read(outputs, _input, settings) {
    const six = outputs.findIndex(({ dims }) => dims.length === 2 && dims[1] === 6);
    if (six >= 0 && outputs.every(({ dims }, i) => i === six || dims.length < 2)) {
      const order = settings.order ?? orderOf(outputs[six]!);
      if (!order) {
        return `"${outputs[six]!.name}" [${outputs[six]!.dims.join(", ")}] may be suppressed boxes: in which order? {"head": "suppressed", "order": "box-score-class" or "class-score-box"}`;
      }
      return {
        name: `suppressed boxes, ${order}`,
        decode: (own, size) => ({ objects: sixColumns(own[six]!, order, size, settings) }),
      };
    }
    const boxes = outputs.findIndex(({ dims }) => dims.length === 2 && dims[1] === 4);
    const rows = outputs[boxes]?.dims[0];
    const lists = outputs.flatMap(({ dims }, i) => (i !== boxes && dims.length === 1 && dims[0] === rows ? [i] : []));
    if (boxes < 0 || lists.length !== 2) return undefined;
    const whole = (i: number) => Array.from(outputs[i]!.values).every(Number.isInteger);
    const byName = (pattern: RegExp) => lists.find((i) => pattern.test(outputs[i]!.name));
    const classes = byName(/class|label|categor/i) ?? lists.find(whole) ?? lists[1]!;
    const scores = lists.find((i) => i !== classes)!;
    // TensorFlow writes top and left first, in parts of the image.
    const tensorflow = /^detection_boxes/i.test(outputs[boxes]!.name);
    return {
      name: `suppressed boxes, ${tensorflow ? "top, left, bottom, right" : "left, top, right, bottom"}`,
      decode: (own, size) => ({
        objects: threeLists(own[boxes]!, own[scores]!, own[classes]!, tensorflow, size, settings),
      }),
    };
  },
};

/** Which columns are classes follows from the numbers: whole ones beside shares. */
function orderOf({ values, dims }: HeadTensor): HeadSettings["order"] | undefined {
  const column = (j: number) => Array.from({ length: dims[0]! }, (_, i) => values[6 * i + j]!);
  const isClass = (own: number[]) => own.every((value) => Number.isInteger(value) && value >= -1);
  const isScore = (own: number[]) => own.every((value) => value >= 0 && value <= 1);
  if (dims[0] === 0) return undefined;
  const last = isScore(column(4)) && isClass(column(5));
  const first = isClass(column(0)) && isScore(column(1));
  return last === first ? undefined : last ? "box-score-class" : "class-score-box";
}

function sixColumns(
  { values, dims }: HeadTensor,
  order: NonNullable<HeadSettings["order"]>,
  input: InputSize,
  settings: HeadSettings,
): FoundThing[] {
  const at = order === "box-score-class" ? { box: 0, score: 4, class: 5 } : { box: 2, score: 1, class: 0 };
  const rows = Array.from({ length: dims[0]! }, (_, i) => Array.from({ length: 6 }, (_, j) => values[6 * i + j]!));
  return inPixels(
    rows.map((row) => ({ corners: row.slice(at.box, at.box + 4), score: row[at.score]!, class: row[at.class]! })),
    input,
    settings,
  );
}

function threeLists(
  boxes: HeadTensor,
  scores: HeadTensor,
  classes: HeadTensor,
  tensorflow: boolean,
  input: InputSize,
  settings: HeadSettings,
): FoundThing[] {
  const rows = Array.from({ length: boxes.dims[0]! }, (_, i) => {
    const [a, b, c, d] = [0, 1, 2, 3].map((j) => boxes.values[4 * i + j]!) as [number, number, number, number];
    return { corners: tensorflow ? [b, a, d, c] : [a, b, c, d], score: scores.values[i]!, class: classes.values[i]! };
  });
  return inPixels(rows, input, settings);
}

/** Corners in pixels, or in parts of the image where none is larger than 1 by more than rounding. */
function inPixels(
  rows: readonly { corners: readonly number[]; score: number; class: number }[],
  { width, height }: InputSize,
  { score: least = SCORE }: HeadSettings,
): FoundThing[] {
  const good = rows.filter((row) => row.score > least && row.class >= 0);
  const parts = good.every(({ corners }) => corners.every((value) => Math.abs(value) <= 1.5));
  const [sx, sy] = parts ? [width, height] : [1, 1];
  return good.map(({ corners: [left, top, right, bottom], score, class: name }) => ({
    class: name,
    score,
    box: boxOfCorners(left! * sx, top! * sy, right! * sx, bottom! * sy),
  }));
}
