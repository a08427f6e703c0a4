import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "vitepress";

const root = join(import.meta.dirname, "../..");
const { homepage, repository } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const named = new Set(["/app"]);
const page = (text: string, link: string) => {
  named.add(link);
  return { text, link };
};

/** Pages of docs/ that no group of the sidebar names yet, by their headings. */
function others() {
  const docs = join(root, "docs");
  return readdirSync(docs)
    .filter((name) => name.endsWith(".md") && !named.has(`/${name.slice(0, -3)}`))
    .map((name) => page(/^# (.*)$/m.exec(readFileSync(join(docs, name), "utf8"))![1]!, `/${name.slice(0, -3)}`));
}

/** The pages are put together by scripts/build-docs.mjs: docs/, the changelog, and the reference from doc comments. */
export default defineConfig({
  title: "equant",
  description: "Post-training compression of ONNX models: every step measured, every harmful step undone.",
  lang: "en",
  srcDir: "../build/site-pages",
  outDir: "../build/site",
  cacheDir: "../build/site-cache",
  base: process.env.EQUANT_SITE_BASE ?? "/",
  cleanUrls: false,
  // The app is put beside the pages after they are built.
  ignoreDeadLinks: [/^\/app\//],
  head: [["link", { rel: "icon", href: "data:," }]],
  markdown: { attrs: { disable: true } },
  themeConfig: {
    nav: [
      page("Guides", "/guides/start"),
      page("Command", "/cli"),
      page("Reference", "/reference/"),
      { text: "App", link: "/app/index.html", target: "_self" },
    ],
    search: { provider: "local" },
    socialLinks: [{ icon: "github", link: repository.url.replace(/^git\+|\.git$/g, "") }],
    footer: { message: `Apache-2.0. Nothing on this site leaves your machine. <a href="${homepage}">Source</a>` },
    outline: [2, 3],
    sidebar: [
      {
        text: "Guides",
        items: [
          page("Your first model", "/guides/start"),
          page("My int8 model is wrong", "/guides/which-layer"),
          page("My int8 model is slow", "/guides/slow"),
          page("Quantize a detector", "/guides/detector"),
          page("In CI", "/guides/ci"),
          page("For transformers.js", "/guides/transformers"),
          page("A fleet of workers", "/guides/fleet"),
          page("The app", "/app"),
        ],
      },
      {
        text: "Commands",
        items: [
          page("equant", "/cli"),
          page("inspect", "/inspect"),
          page("validate", "/validate"),
          page("Tasks", "/tasks"),
          page("compare", "/compare"),
          page("tune", "/tune"),
          page("train", "/training"),
          page("Reports and charts", "/reports"),
          page("Errors and warnings", "/errors"),
        ],
      },
      {
        text: "Steps",
        items: [
          page("Upgrade the opset", "/transforms/upgrade"),
          page("Fold", "/transforms/fold"),
          page("Remove dead channels", "/transforms/dead-channels"),
          page("Equalize", "/transforms/equalize"),
          page("Prune", "/transforms/prune"),
          page("Shrink", "/transforms/shrink"),
          page("Calibrate", "/transforms/calibrate"),
          page("Quantize", "/transforms/quantize"),
          page("Correct biases", "/transforms/bias-correct"),
          page("AdaRound", "/transforms/ada-round"),
          page("Tune biases", "/transforms/tune-biases"),
        ],
      },
      {
        text: "Background",
        items: [
          page("Measured figures", "/figures"),
          page("Sources", "/sources"),
          page("Error analysis", "/error-analysis"),
          page("Numbers", "/numbers"),
          page("Conventions", "/conventions"),
          page("Data", "/data"),
          page("What a network takes and gives", "/signature"),
          page("Measures of answers", "/metrics"),
          page("Model files", "/model-files"),
          page("Gradients", "/gradients"),
          page("Demo digits", "/digits"),
          page("Graph view of the app", "/app-graph"),
        ],
      },
      {
        text: "Reference",
        items: [
          page("Library", "/reference/"),
          page("Changelog", "/changelog"),
          page("Contributing", "/contributing"),
          page("Releasing", "/releasing"),
          ...others(),
        ],
      },
    ],
  },
});
