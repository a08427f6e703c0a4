import { zipSync } from "fflate";
import { formatDb } from "../format.js";
import { toConfig } from "../recipe/config.js";
import { download } from "./download.js";
import { callEngine } from "./jobs.js";
import { layersCsv, nodeData } from "./layer-files.js";
import { type Measures, measures, type Run } from "./store.js";

/** Something a run can be saved as. */
export interface ExportItem {
  readonly name: string;
  readonly about: string;
  readonly type: string;
  readonly make: () => BlobPart | undefined | Promise<BlobPart | undefined>;
  /** A model: it is opened again and run before it counts as saved. */
  readonly verify?: boolean;
}

const JSON_TYPE = "application/json";
const ONNX_TYPE = "application/octet-stream";
const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

/** The report with what validation added. */
function wholeReport({ report, validation }: Measures) {
  if (!report) return undefined;
  // Ratios without noise are infinite, which JSON cannot hold: 300 dB stands for them, as everywhere in reports.
  const finite = (_key: string, value: unknown) => (value === Number.POSITIVE_INFINITY ? 300 : value);
  return validation ? { ...report, validation: JSON.parse(JSON.stringify(validation, finite)) } : report;
}

export function exportsOf(run: Run): ExportItem[] {
  const { outcome, recipe, model } = run;
  const stem = stemOf(run);
  const measured = measures.value[run.id] ?? {};
  const report = wholeReport(measured);
  const always: ExportItem[] = [
    {
      name: `${stem}.int8.onnx`,
      about: "the quantized network",
      type: ONNX_TYPE,
      make: () => outcome.bytes,
      verify: true,
    },
    {
      name: `${stem}.float.onnx`,
      about: "the float network that was quantized: folded, equalized",
      type: ONNX_TYPE,
      make: () => outcome.floatBytes,
      verify: true,
    },
    { name: "recipe.json", about: "the recipe, to drop here again", type: JSON_TYPE, make: () => json(recipe) },
    {
      name: "equant.config.json",
      about: "the recipe for equant run",
      type: JSON_TYPE,
      make: () => json(toConfig(recipe, model.name)),
    },
    { name: "calibration.json", about: "ranges of all values", type: JSON_TYPE, make: () => outcome.calibration },
  ];
  const withReport: ExportItem[] = report
    ? [
        { name: "report.json", about: "everything that was measured", type: JSON_TYPE, make: () => json(report) },
        {
          name: "report.html",
          about: "the same as one page that needs nothing else",
          type: "text/html",
          make: () => callEngine("page", { report }, { screen: "export" }),
        },
        { name: "layers.csv", about: "all layers, one line each", type: "text/csv", make: () => layersCsv(report) },
        {
          name: "model-explorer.json",
          about: "SQNR by node, for Model Explorer",
          type: JSON_TYPE,
          make: () => json(nodeData(report)),
        },
      ]
    : [];
  const session: ExportItem = {
    name: `${stem}.session.zip`,
    about: "all of these files together",
    type: "application/zip",
    make: async () => {
      const entries: Record<string, Uint8Array> = {};
      for (const item of [...always, ...withReport]) {
        const part = await item.make();
        if (part === undefined) continue;
        entries[item.name] = new Uint8Array(await new Blob([part]).arrayBuffer());
      }
      return zipSync(entries, { level: 0, mtime: new Date(1980, 0, 1) }) as Uint8Array<ArrayBuffer>;
    },
  };
  return [...always, ...withReport, session];
}

export function stemOf({ model }: Run): string {
  return model.name.replace(/\.onnx$/i, "");
}

/** Saves a file; the text says what «saved» means here. */
export async function saveExport(item: ExportItem): Promise<string | undefined> {
  const part = await item.make();
  if (part === undefined) return undefined;
  let text = "saved";
  if (item.verify) {
    const checked = await callEngine("verify", { bytes: part as Uint8Array<ArrayBuffer> }, { screen: "export" });
    if (!checked) return undefined;
    text = `saved: opened again, ran ${checked.samples} samples, ${formatDb(checked.error.sqnrDb)}`;
  }
  download(item.name, new Blob([part], { type: item.type }));
  return text;
}
