import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "..");
const core = join(root, "packages/core/src");

/** Folders of core from the bottom up; a folder may import from those before it and from itself. */
const ORDER = [
  "math",
  "metrics",
  "graph",
  "operators",
  "channels",
  "bounds",
  "data",
  "runtime",
  "tasks",
  "fold",
  "calibrate",
  "shrink",
  "equalize",
  "quantize",
  "forms",
  "match",
  "gradient",
  "train",
  "analyze",
  "prune",
  "correct",
  "learn",
  "steps",
  "pipeline",
  "jobs",
  "hub",
  "node",
];
/** Files beside the folders that anybody may import. */
const BASE = ["errors", "nearest", "option"];

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

/** The file a relative import means, whatever it is written as. */
function resolved(file: string, specifier: string): string | undefined {
  const stem = join(file, "..", specifier.replace(/\?.*$/, "")).replace(/\.(js|ts|tsx)$/, "");
  return [`${stem}.ts`, `${stem}.tsx`, join(stem, "index.ts")].find((path) => existsSync(path));
}

/** The first cycle of a graph, by depth-first search: its nodes, the first one repeated at the end. */
function cycleOf(graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>();
  const visit = (node: string, path: readonly string[]): string[] | undefined => {
    const at = path.indexOf(node);
    if (at >= 0) return [...path.slice(at), node];
    if (done.has(node)) return undefined;
    for (const next of graph.get(node) ?? []) {
      const cycle = visit(next, [...path, node]);
      if (cycle) return cycle;
    }
    done.add(node);
    return undefined;
  };
  for (const node of graph.keys()) {
    const cycle = visit(node, []);
    if (cycle) return cycle;
  }
  return undefined;
}

describe("imports go one way", () => {
  test.each(["core", "report", "cluster", "cli", "app"])("%s: no cycle, types and lazy imports included", (name) => {
    const folder = join(root, "packages", name, "src");
    const graph = new Map<string, string[]>();
    for (const file of sources(folder)) {
      const found = imports(file).flatMap((specifier) =>
        specifier.startsWith(".") ? (resolved(file, specifier) ?? []) : [],
      );
      graph.set(file, found);
    }
    expect(graph.size).toBeGreaterThan(5);
    expect([...graph.values()].flat().length).toBeGreaterThan(graph.size / 2);
    expect(cycleOf(graph)?.map((file) => relative(folder, file))).toBeUndefined();
  });

  test("a cycle is found, and what only joins again is none", () => {
    const graph = (text: string) =>
      new Map(text.split(" ").map((line) => [line[0]!, [...line.slice(2)]] as [string, string[]]));
    expect(cycleOf(graph("a:bc b:d c:d d:"))).toBeUndefined();
    expect(cycleOf(graph("a:b b:cd c: d:eb e:"))).toEqual(["b", "d", "b"]);
    expect(cycleOf(graph("a:a"))).toEqual(["a", "a"]);
  });
});

test("no file is over 400 lines", () => {
  const others = ["packages/cli/src", "packages/app/src", "packages/report/src", "packages/cluster/src", "test"];
  const long = [...files, ...others.flatMap((folder) => sources(join(root, folder)))]
    .map((file) => [relative(root, file), readFileSync(file, "utf8").split("\n").length] as const)
    .filter(([, lines]) => lines > 400);
  expect(long).toEqual([]);
});

test("every folder in the order of layers exists", () => {
  expect(ORDER.filter((folder) => !existsSync(join(core, folder)))).toEqual([]);
});

test("links in the documentation lead somewhere", () => {
  const pages = [
    join(root, "README.md"),
    join(root, "CHANGELOG.md"),
    join(root, "CONTRIBUTING.md"),
    join(root, "SECURITY.md"),
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

test('tables that strings look things up in are maps: "constructor" is in every object', () => {
  const packages = ["core", "report", "cluster", "cli", "app"].map((name) => join(root, "packages", name, "src"));
  const code = packages.flatMap(sources).map((file) => [relative(root, file), codeOf(file)] as const);
  const lookups = code.flatMap(([file, text]) => {
    const tables = [...text.matchAll(/\bconst ([A-Z][A-Z_]+): (?:Readonly<|Partial<)*Record<string,[^=]*= \{/g)].map(
      ([, name]) => name,
    );
    const patterns = [
      ...tables.map((name) => new RegExp(`\\b${name}\\)?\\[(?!")`)),
      // As if any string were a key: `(TABLE as Record<string, Row>)[name]`, `name in TABLE`.
      /\([A-Z][A-Z_]+ as (?:Readonly<)?Record<string/,
      /\w in [A-Z][A-Z_]+(?:[);]| [|&?])/,
    ];
    return patterns.flatMap((pattern) => pattern.exec(text)?.[0] ?? []).map((found) => `${file}: ${found}`);
  });
  expect(lookups).toEqual([]);
});
