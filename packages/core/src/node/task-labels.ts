import { stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { fileError } from "../data/errors.js";
import type { Dataset } from "../data/index.js";
import { readTaskLabels, TASKS, type TaskName, withLabels } from "../tasks/index.js";
import { listFolder } from "./data-folder.js";

/**
 * A dataset with the labels of its task: those of a file or folder, or else what lies among or beside the data. Without any, or where the
 * task's labels are classes that the dataset has already, it is as it was.
 * @throws {DataError} E5004 labels that cannot be read, naming file and line; a file that is none.
 */
export async function openTaskLabels(
  task: TaskName,
  dataset: Dataset,
  { data, labels }: { readonly data: string; readonly labels?: string },
): Promise<{ dataset: Dataset; format?: string; notes: readonly string[] }> {
  const place = labels ?? data;
  const kind = await stat(place).catch(() => undefined);
  if (labels !== undefined && !kind)
    throw fileError("E5004", labels, "does not exist", "Check the path of the labels.");
  if (!kind) return { dataset, notes: [] };
  const folder = kind.isDirectory() ? place : dirname(place);
  const named = labels !== undefined && kind.isFile() ? basename(labels) : undefined;
  const files = await listFolder(folder, named === undefined || /\.ya?ml$/i.test(named) ? undefined : 0);
  const found = await readTaskLabels(task, files, named);
  if (found) return { format: found.format, ...withLabels(dataset, found) };
  if (labels === undefined) return { dataset, notes: [] };
  const known = TASKS[task].labels.join(", ");
  throw fileError("E5004", labels, `holds no labels for ${task}`, `Known are ${known}.`, {
    expected: [...TASKS[task].labels],
  });
}
