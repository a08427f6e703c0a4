import { existsSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { COMMANDS } from "../../src/commands/index.js";

const SOURCE = fileURLToPath(new URL("../../src", import.meta.url));

/** Modules a file loads when it is loaded: `import type` and `import()` do not count. */
function staticImports(file: string): string[] {
  const text = readFileSync(file, "utf8");
  const pattern = /^(?:import|export)\s+(?!type\b)(?:[^"';]*?\bfrom\s+)?"([^"]+)"/gm;
  return [...text.matchAll(pattern)].map((match) => match[1]!);
}

/** Packages reached from `entry` over static imports, each with the way to it. */
function reachedPackages(entry: string): Map<string, string> {
  const packages = new Map<string, string>();
  const seen = new Set<string>();
  const visit = (file: string, way: string) => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const specifier of staticImports(file)) {
      if (specifier.startsWith("node:")) continue;
      if (!specifier.startsWith(".")) {
        if (!packages.has(specifier)) packages.set(specifier, way);
        continue;
      }
      const target = resolve(dirname(file), specifier.replace(/\.js$/, ".ts"));
      expect(existsSync(target), `${file} imports ${specifier}`).toBe(true);
      visit(target, `${way} > ${specifier}`);
    }
  };
  visit(resolve(SOURCE, entry), entry);
  return packages;
}

const LIGHT = ["@equant/core/errors", "@equant/core/steps", "commander"];
const commands = COMMANDS.map(({ name }) => `${name.replace(/^_+/, "")}.ts`);

test("main answers --help and --version without any package", () => {
  for (const entry of ["main.ts", "frame/help.ts", "version.ts"])
    expect([...reachedPackages(entry).keys()]).toEqual([]);
});

test("the parser loads nothing but commander", () => {
  expect([...reachedPackages("frame/program.ts").keys()].filter((name) => !LIGHT.includes(name))).toEqual([]);
});

test.each(commands)("commands/%s loads heavy packages only when it runs", (name) => {
  const heavy = ["@equant/core", "@equant/core/lab", "@equant/core/node", "onnxruntime-node", "sharp", "zod"];
  const reached = reachedPackages(`commands/${name}`);
  for (const specifier of heavy) expect(reached.get(specifier), specifier).toBeUndefined();
});
