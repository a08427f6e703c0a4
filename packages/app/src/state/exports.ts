import { formatDb } from "../format.js";
import { toConfig } from "../recipe/config.js";
import { download } from "./download.js";
import { callEngine } from "./jobs.js";
import type { Run } from "./store.js";

/** Something a run can be saved as. */
export interface ExportItem {
  readonly name: string;
  readonly about: string;
  readonly type: string;
  readonly make: () => BlobPart | Promise<BlobPart>;
  /** A model: it is opened again and run before it counts as saved. */
  readonly verify?: boolean;
}

export function exportsOf(run: Run): ExportItem[] {
  const { outcome, recipe, model } = run;
  const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  const stem = model.name.replace(/\.onnx$/i, "");
  return [
    {
      name: `${stem}.int8.onnx`,
      about: "the quantized network",
      type: "application/octet-stream",
      make: () => outcome.bytes,
      verify: true,
    },
    {
      name: `${stem}.float.onnx`,
      about: "the float network after folding and equalization",
      type: "application/octet-stream",
      make: () => outcome.floatBytes,
      verify: true,
    },
    { name: "recipe.json", about: "the recipe, for the app", type: "application/json", make: () => json(recipe) },
    {
      name: "equant.config.json",
      about: "the recipe, for equant run",
      type: "application/json",
      make: () => json(toConfig(recipe, model.name)),
    },
    {
      name: "calibration.json",
      about: "ranges of all values",
      type: "application/json",
      make: () => outcome.calibration,
    },
  ];
}

/** Saves a file; the text says what «saved» means here. */
export async function saveExport(item: ExportItem, _run: Run): Promise<string | undefined> {
  const part = await item.make();
  let text = "saved";
  if (item.verify) {
    const checked = await callEngine("verify", { bytes: part as Uint8Array<ArrayBuffer> }, { screen: "export" });
    if (!checked) return undefined;
    text = `saved: opened again, ran ${checked.samples} samples, ${formatDb(checked.error.sqnrDb)}`;
  }
  download(item.name, new Blob([part], { type: item.type }));
  return text;
}
