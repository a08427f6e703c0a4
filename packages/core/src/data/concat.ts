import type { Dataset } from "./dataset.js";

/** The samples of all `parts`, one part after the other. Labelled when every part is. Requires: equal shapes, one part at least. */
export function concatDatasets(parts: readonly Dataset[]): Dataset {
  const starts: number[] = [];
  let length = 0;
  for (const part of parts) {
    starts.push(length);
    length += part.length;
  }
  const locate = (index: number): [Dataset, number] => {
    let low = 0;
    let high = parts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle]! <= index) low = middle;
      else high = middle - 1;
    }
    return [parts[low]!, index - starts[low]!];
  };
  return {
    length,
    shape: parts[0]!.shape,
    fill(index, out, offset) {
      const [part, local] = locate(index);
      return part.fill(local, out, offset);
    },
    id(index) {
      const [part, local] = locate(index);
      return part.id(local);
    },
    ...(parts.every((part) => part.record) && {
      record(index: number) {
        const [part, local] = locate(index);
        return part.record!(local);
      },
    }),
    ...(parts.every((part) => part.sequence) && {
      sequence(index: number) {
        const [part, local] = locate(index);
        return part.sequence!(local);
      },
    }),
    ...(parts.every((part) => part.label) && {
      label(index: number) {
        const [part, local] = locate(index);
        return part.label!(local);
      },
    }),
  };
}
