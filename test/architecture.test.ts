import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "..");
const core = join(root, "packages/core/src");

/** Folders of core from the bottom up; a folder may import from those before it and from itself. */
const ORDER = [
  "math",
  "graph",
  "data",
  "runtime",
  "fold",
  "calibrate",
  "equalize",
  "quantize",
  "match",
  "gradient",
  "train",
  "analyze",
  "prune",
  "correct",
  "learn",
  "pipeline",
  "report",
  "node",
];
/** Files beside the folders that anybody may import. */
const BASE = ["errors", "nearest"];

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Without comments, whose examples import what the code does not. */
function codeOf(file: string): string {
  return readFileSync(file, "utf8").replace(/\/\*[\s\S]*?\*\//g, "");
}

function imports(file: string): string[] {
  const text = codeOf(file);
  return [...text.matchAll(/(?:^|\n)\s*(?:import|export)\b[^;]*?from\s+"([^"]+)"|import\("([^"]+)"\)/g)].map(
    (match) => match[1] ?? match[2]!,
  );
}

function target(file: string, specifier: string): string {
  return relative(core, join(file, "..", specifier)).replace(/\.js$/, "");
}

const files = sources(core);

describe("core", () => {
  test("imports only downwards", () => {
    const upward: string[] = [];
    for (const file of files) {
      const own = relative(core, file).split("/")[0]!;
      if (own.endsWith(".ts")) continue;
      expect(ORDER, `folder ${own} is not in the order of layers`).toContain(own);
      for (const specifier of imports(file)) {
        if (!specifier.startsWith(".")) continue;
        const other = target(file, specifier).split("/")[0]!;
        if (BASE.includes(other)) continue;
        if (ORDER.indexOf(other) < 0 || ORDER.indexOf(other) > ORDER.indexOf(own)) {
          upward.push(`${relative(core, file)} → ${specifier}`);
        }
      }
    }
    expect(upward).toEqual([]);
  });

  test("has no import cycle", () => {
    const graph = new Map<string, string[]>();
    for (const file of files) {
      // Types do not exist when the code runs: only imports of values can form a cycle.
      const text = codeOf(file)
        .replace(/import type[^;]+;/g, "")
        .replace(/export type \{[^}]*\}[^;]*;/g, "");
      const edges = [...text.matchAll(/(?:import|export)\b[^;]*?from\s+"(\.[^"]+)"/g)].map((match) =>
        target(file, match[1]!),
      );
      graph.set(relative(core, file).replace(/\.ts$/, ""), edges);
    }
    const done = new Set<string>();
    const visit = (name: string, path: string[]): string[] | undefined => {
      if (path.includes(name)) return [...path.slice(path.indexOf(name)), name];
      if (done.has(name)) return undefined;
      for (const next of graph.get(name) ?? []) {
        const cycle = visit(next, [...path, name]);
        if (cycle) return cycle;
      }
      done.add(name);
      return undefined;
    };
    for (const name of graph.keys()) expect(visit(name, [])).toBeUndefined();
  });

  test("keeps platforms and runtimes out", () => {
    const wrong: string[] = [];
    for (const file of files) {
      const name = relative(core, file);
      for (const specifier of imports(file)) {
        const place = `${name}: ${specifier}`;
        if (specifier.startsWith("node:") && name !== "node.ts" && !name.startsWith("node/")) wrong.push(place);
        const protobuf = specifier === "onnx-buf" || specifier.startsWith("@bufbuild/");
        if (protobuf && !/^graph\/(parse|serialize|proto|wire)/.test(name)) wrong.push(place);
        if (/^onnxruntime-(node|web)/.test(specifier)) wrong.push(place);
        if (specifier === "onnxruntime-common" && !/^(runtime|node)\//.test(name)) wrong.push(place);
        if (specifier === "sharp") wrong.push(place);
      }
    }
    expect(wrong).toEqual([]);
  });
});

test("no file is over 400 lines", () => {
  const others = ["packages/cli/src", "packages/app/src", "packages/report/src", "test"];
  const long = [...files, ...others.flatMap((folder) => sources(join(root, folder)))]
    .map((file) => [relative(root, file), readFileSync(file, "utf8").split("\n").length] as const)
    .filter(([, lines]) => lines > 400);
  expect(long).toEqual([]);
});

test("links in the documentation lead somewhere", () => {
  const pages = [
    join(root, "README.md"),
    join(root, "CHANGELOG.md"),
    ...readdirSync(join(root, "docs"), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.name.endsWith(".md"))
      .map((entry) => join(entry.parentPath, entry.name)),
  ];
  const dead: string[] = [];
  for (const page of pages) {
    for (const match of readFileSync(page, "utf8").matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      const link = match[1]!;
      if (/^[a-z]+:/.test(link)) continue;
      try {
        readdirSync(join(page, "..", link, ".."), { withFileTypes: true }).find(
          (entry) => entry.name === link.split("/").filter(Boolean).pop(),
        ) ?? dead.push(`${relative(root, page)}: ${link}`);
      } catch {
        dead.push(`${relative(root, page)}: ${link}`);
      }
    }
  }
  expect(dead).toEqual([]);
});
