/** Pictures of the docs, drawn from the demo's report: every chart that a page shows. `npm run images`. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { chartsOf, readReport } from "../packages/report/dist/index.js";
import { renderSvg } from "../packages/report/dist/node.js";

const LAYER = "conv_2";
const report = readReport(readFileSync("build/demo/report.json", "utf8"));
const pages = [
  "README.md",
  ...readdirSync("docs", { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];
const shown = pages.flatMap((page) =>
  [...readFileSync(page, "utf8").matchAll(/images\/([a-z-]+)\.svg\)/g)].map(([, id]) => id),
);
for (const id of new Set(shown)) {
  const [chart] = [LAYER, undefined].flatMap((layer) =>
    chartsOf(report, /** @type {import("@equant/report").ChartId} */ (id), layer),
  );
  writeFileSync(`docs/images/${id}.svg`, `${renderSvg(chart)}\n`);
}
