/** Bundles `<equant-report>` into one script that a page loads without anything else: packages/report/dist/equant-report.js. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { noticesOf } from "./notices.mjs";

/** zod's one namespace holds the messages of all languages, half of the script: only the English ones are used. */
const noLanguages = {
  name: "no-languages",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /locales\/index\.js$/ }, () => ({ path: "locales", namespace: "none" }));
    onLoad({ filter: /.*/, namespace: "none" }, () => ({ contents: "export {}" }));
  },
};

const report = join(import.meta.dirname, "../packages/report");
await build({
  entryPoints: [join(report, "src/element.ts")],
  outfile: join(report, "dist/equant-report.js"),
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  conditions: ["source"],
  legalComments: "linked",
  logLevel: "warning",
  plugins: [noLanguages],
});
writeFileSync(join(report, "dist/NOTICES.txt"), noticesOf(report));
