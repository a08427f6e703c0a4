import { segmentation } from "./masks.js";
import { detection, keypoints } from "./objects.js";
import type { Task } from "./task.js";
import { classification, embedding, regression, score, sequence } from "./values.js";

/** What networks are for. Flags, keys of the config, limits and words of reports are derived from it. */
export const TASKS = {
  classification,
  detection,
  segmentation,
  keypoints,
  sequence,
  embedding,
  score,
  regression,
} as const satisfies Record<string, Task>;

export type TaskName = keyof typeof TASKS;
