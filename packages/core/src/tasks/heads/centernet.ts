import type { FoundThing } from "../answer.js";
import { type Head, type HeadSettings, type HeadTensor, type InputSize, scoring } from "./head.js";
import { boxAround, SCORE } from "./keep-best.js";

/** Three maps of one size: a peak of the heat is an object's centre, with its size and what the cell rounds away (Zhou et al. 2019). */
export const centerNet: Head = {
  name: "centernet",
  help: "CenterNet: heat by class, size and offset as maps",
  read(outputs, input, settings) {
    const maps = outputs.filter(({ dims }) => dims.length === 3);
    const [height, width] = maps[0]?.dims.slice(1) ?? [];
    const alike = maps.length >= 2 && maps.every(({ dims }) => dims[1] === height && dims[2] === width);
    const twos = outputs.flatMap(({ dims }, i) => (dims[0] === 2 && dims.length === 3 ? [i] : []));
    const heat = outputs.findIndex(({ dims }, i) => dims.length === 3 && !twos.includes(i));
    if (!alike || maps.length !== outputs.length || twos.length < 1 || heat < 0 || outputs.length > 3) return undefined;
    // What the cell rounds away is within it; sizes are not.
    const within = (i: number) => Array.from(outputs[i]!.values).every((value) => value > -1 && value < 2);
    const offset = twos.length > 1 ? twos.find(within) : undefined;
    const size = twos.find((i) => i !== offset)!;
    const score = scoring(settings, outputs[heat]!.values);
    return {
      name: `CenterNet, stride ${input.width / width!}, ${outputs[heat]!.dims[0]} classes`,
      decode: (own) => ({
        objects: peaks(own[heat]!, own[size]!, offset === undefined ? undefined : own[offset]!, input, score, settings),
      }),
    };
  },
};

function peaks(
  heat: HeadTensor,
  size: HeadTensor,
  offset: HeadTensor | undefined,
  input: InputSize,
  scoreOf: (value: number) => number,
  { score: least = SCORE, most = 100 }: HeadSettings,
): FoundThing[] {
  const [classes, rows, columns] = heat.dims as [number, number, number];
  const [sx, sy] = [input.width / columns, input.height / rows];
  const area = rows * columns;
  const result: FoundThing[] = [];
  for (let at = 0; at < classes * area; at++) {
    const value = heat.values[at]!;
    if (!(scoreOf(value) > least)) continue;
    const cell = at % area;
    const [x, y] = [cell % columns, Math.floor(cell / columns)];
    if (!isPeak(heat.values, at, x, y, columns, rows)) continue;
    const dx = offset ? offset.values[cell]! : 0.5;
    const dy = offset ? offset.values[area + cell]! : 0.5;
    const box = boxAround((x + dx) * sx, (y + dy) * sy, size.values[cell]! * sx, size.values[area + cell]! * sy);
    result.push({ class: Math.floor(at / area), score: scoreOf(value), box });
  }
  return result.sort((a, b) => b.score - a.score).slice(0, most);
}

function isPeak(values: ArrayLike<number>, at: number, x: number, y: number, columns: number, rows: number): boolean {
  for (let dy = -1; dy <= 1; dy++) {
    for (let dx = -1; dx <= 1; dx++) {
      const inside = x + dx >= 0 && x + dx < columns && y + dy >= 0 && y + dy < rows;
      if (inside && values[at + dy * columns + dx]! > values[at]!) return false;
    }
  }
  return true;
}
