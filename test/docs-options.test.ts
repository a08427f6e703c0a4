import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { boundsText, kebab, type OptionSpec, STEPS, type StepDefinition } from "../packages/core/src/steps/entry.js";

const BEGIN = "<!-- options: written by UPDATE_DOCS=1 npx vitest run test/docs-options.test.ts -->";
const END = "<!-- end of options -->";

function valuesOf(option: OptionSpec): string {
  switch (option.kind) {
    case "choice":
      return Object.keys(option.values)
        .map((word) => `\`${word}\``)
        .join(", ");
    case "number":
      return boundsText(option) || "a number";
    case "flag":
      return "true, false";
    case "list":
      return `${option.word}, any number of them`;
  }
}

function tableOf({ options }: StepDefinition): string {
  const rows = Object.entries(options).map(([key, option]) => {
    const flag = option.kind === "flag" && option.default === true ? `--no-${kebab(key)}` : `--${kebab(key)}`;
    const fallback = option.otherwise ?? (option.default === undefined ? "" : `\`${String(option.default)}\``);
    return `| \`${key}\` | \`${flag}\` | ${option.help} | ${valuesOf(option)} | ${fallback} |`;
  });
  return [BEGIN, "| option | flag | meaning | values | default |", "|---|---|---|---|---|", ...rows, END].join("\n");
}

const steps = (STEPS as unknown as readonly StepDefinition[]).filter(({ options }) => Object.keys(options).length > 0);

test.each(steps.map((step) => [step.use, step] as const))(
  "docs/transforms/%s.md lists the options of the step",
  (use, step) => {
    const file = join(import.meta.dirname, "../docs/transforms", `${use}.md`);
    const text = readFileSync(file, "utf8");
    const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
    expect(begin, `${use}.md has no place for its options: put both markers`).toBeGreaterThan(0);
    const written = `${text.slice(0, begin)}${tableOf(step)}${text.slice(end + END.length)}`;
    if (process.env.UPDATE_DOCS) writeFileSync(file, written);
    else expect(text).toBe(written);
  },
);
