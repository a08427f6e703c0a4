import { didYouMean, OptionsError } from "../../errors.js";
import { centerNet } from "./centernet.js";
import { gfl } from "./gfl.js";
import type { Decoder, Head, HeadSettings, HeadTensor, InputSize } from "./head.js";
import { classMaps, points } from "./maps.js";
import { numbers, symbolRows } from "./rows.js";
import { ssd } from "./ssd.js";
import { suppressed } from "./suppressed.js";
import { yoloAnchors } from "./yolo-anchors.js";
import { yoloRows } from "./yolo-rows.js";

/** The same rows, each with the points of a pose. */
const yoloPose: Head = {
  name: "yolo-pose",
  help: "YOLOv8 and 11 for poses: a box and named points a row",
  read: (outputs, input, settings) => yoloRows.read(outputs, input, { ...settings, head: "yolo-pose" }),
};

/** What is known how to read, by what it is read as; the surest signs first. */
export const HEADS = {
  objects: [suppressed, yoloRows, gfl, yoloAnchors, centerNet, ssd],
  points: [points, yoloPose],
  mask: [classMaps],
  text: [symbolRows],
  values: [numbers],
} as const satisfies Record<string, readonly Head[]>;

export type HeadKind = keyof typeof HEADS;

/**
 * How these outputs are read, by what the first sample's look like.
 * @throws {OptionsError} E2005 it does not follow from them, with what is to be said; E2004 no such head.
 */
export function recognise(
  kind: HeadKind,
  outputs: readonly HeadTensor[],
  input: InputSize,
  settings: HeadSettings,
): Decoder {
  const heads: readonly Head[] = HEADS[kind];
  const named = settings.head === undefined ? heads : heads.filter(({ name }) => name === settings.head);
  const names = heads.map(({ name }) => name);
  if (named.length === 0) {
    throw new OptionsError("E2004", `decode: head '${settings.head}' is not one of ${names.join(", ")}`, {
      expected: names,
      actual: settings.head,
      ...(didYouMean(settings.head!, names) && { hint: didYouMean(settings.head!, names)! }),
    });
  }
  const questions: string[] = [];
  for (const head of named) {
    const read = head.read(outputs, input, settings);
    if (typeof read === "object") return read;
    if (read !== undefined) questions.push(read);
  }
  const shapes = outputs.map(({ name, dims }) => `"${name}" [${dims.join(", ")}]`).join(", ");
  const what = settings.head === undefined ? "no known head" : `no head ${settings.head}`;
  throw new OptionsError("E2005", `decode: ${questions[0] ?? `the outputs ${shapes} are ${what}`}`, {
    expected: names,
    actual: outputs.map(({ name, dims }) => ({ name, dims: [...dims] })),
    hint:
      questions.length > 0
        ? "give the JSON in a file: --decode head.json"
        : `known are ${names.join(", ")}; or write one: --decode ./my-decoder.js (docs/tasks.md)`,
  });
}
