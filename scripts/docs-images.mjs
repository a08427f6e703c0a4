/** Pictures of the docs, drawn from the demo's report: `npm run images`. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import * as charts from "../packages/report/dist/index.js";
import { renderSvg } from "../packages/report/dist/node.js";

const report = charts.readReport(readFileSync("build/demo/report.json", "utf8"));
const layer = (rows) => rows.find((row) => row.layer === "conv_2");
const images = {
  "weight-ranges": charts.weightRanges(layer(report.weights)),
  "msb-heatmap": charts.msbHeatmap(report.msb),
  "msb-channels": charts.msbChannels(layer(report.msb)),
  "msb-bits": charts.msbBits(layer(report.msb)),
  "sqnr-prediction": charts.sqnrPrediction(report.sqnr),
  "accuracy-sparsity": charts.accuracySparsity(report.pruning),
  "layer-channels": charts.layerChannels(report.pruning),
  "sample-errors": charts.sampleErrors(report.sampleErrors),
  "layer-treemap": charts.layerTreemap(report.layers),
  confusion: charts.confusionPair(report.pruning.validation),
};
mkdirSync("docs/images", { recursive: true });
for (const [name, chart] of Object.entries(images)) writeFileSync(`docs/images/${name}.svg`, `${renderSvg(chart)}\n`);
