import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { parseAst } from "vite";
import { describe, expect, test } from "vitest";
import { INTERVAL_RULES } from "../packages/core/src/bounds/rules.js";
import { CHANNEL_RULES } from "../packages/core/src/channels/rules.js";
import { SCALING_RULES } from "../packages/core/src/equalize/scaling-rules.js";
import { GRADIENT_RULES } from "../packages/core/src/gradient/rules/index.js";
import { OPERATORS } from "../packages/core/src/operators/facts.js";
import { LINEAR_RULES } from "../packages/core/src/prune/linear-rules.js";
import { operatorsPage } from "./operators-page.js";

const root = join(import.meta.dirname, "..");

test("docs/operators.md is what the tables say", async () => {
  await expect(operatorsPage()).toMatchFileSnapshot("../docs/operators.md");
});

test.each([
  ["channels", CHANNEL_RULES],
  ["scaling", SCALING_RULES],
  ["bounds", INTERVAL_RULES],
  ["gradient", GRADIENT_RULES],
  ["SynFlow", LINEAR_RULES],
])("every operator with a rule for %s has facts", (_, rules) => {
  expect([...rules.keys()].filter((name) => !OPERATORS.has(name))).toEqual([]);
});

/** The one table, and tables of rules by analysis: what stands beside a name there is a rule. */
const TABLES = [
  /^core\/src\/operators\/facts\.ts$/,
  /^core\/src\/(channels|bounds)\/rules\.ts$/,
  /^core\/src\/channels\/gates\.ts$/,
  /^core\/src\/runtime\/demand\.ts$/,
  /^core\/src\/bounds\/arithmetic\.ts$/,
  /^core\/src\/equalize\/scaling-rules\.ts$/,
  /^core\/src\/prune\/linear-rules\.ts$/,
  /^core\/src\/gradient\/rules\//,
  /^core\/src\/fold\/(upgrade-rules|remove-identity|channel-affine|constant-value)\.ts$/,
  /^core\/src\/operators\/(static-types|linear-layer)\.ts$/,
  /^core\/src\/shrink\/(removal-obstacles|cut-graph)\.ts$/,
];

/** Titles in the user interface that happen to be operators too. */
const LABELS = ["Shape", "Size", "Min", "Max", "Log"];

/** Files whose lists have yet to become columns of the table: this list only gets shorter. */
const TO_MOVE = ["core/src/quantize/huge-values.ts", "core/src/runtime/find-batch.ts"];

type Syntax = { readonly type: string; readonly [key: string]: unknown };

const isSyntax = (value: unknown): value is Syntax => typeof value === "object" && value !== null && "type" in value;

function children(node: Syntax): Syntax[] {
  return Object.values(node).flatMap((value) => (Array.isArray(value) ? value : [value]).filter(isSyntax));
}

/** The operator that a piece of source names; a text of several names counts as the first two of them. */
function namesIn(node: unknown): string[] {
  if (!isSyntax(node)) return [];
  if (node.type === "TSLiteralType") return namesIn(node.literal);
  if (node.type === "SpreadElement") return namesIn(node.argument);
  if (node.type === "ArrayExpression") return (node.elements as unknown[]).flatMap(namesIn);
  const text =
    node.type === "Literal"
      ? node.value
      : node.type === "TemplateElement"
        ? (node.value as { cooked: string }).cooked
        : "";
  if (typeof text !== "string") return [];
  const words = text.split(/[\s,]+/).filter(Boolean);
  const operators = words.filter((word) => OPERATORS.has(word));
  // A sentence may name an operator; a list holds nothing else.
  return operators.length === words.length ? operators : [];
}

/** Comparisons of one subject joined by `||` or `&&`: the names they compare with. */
function comparedIn(node: unknown): string[] {
  if (!isSyntax(node)) return [];
  if (node.type === "LogicalExpression") return [...comparedIn(node.left), ...comparedIn(node.right)];
  if (node.type === "BinaryExpression") return [...namesIn(node.left), ...namesIn(node.right)];
  return [];
}

/** Lists of operator names in a source: arrays, arguments, keys, cases, unions of types and chains of comparisons. */
function listsIn(code: string, file: string): string[][] {
  const found: string[][] = [];
  const visit = (node: Syntax, parent: Syntax | undefined): void => {
    const lists: Record<string, () => string[]> = {
      ArrayExpression: () => (node.elements as unknown[]).flatMap(namesIn),
      CallExpression: () => (node.arguments as unknown[]).flatMap(namesIn),
      ObjectExpression: () =>
        (node.properties as Syntax[]).flatMap(({ key }) =>
          isSyntax(key) && key.type === "Identifier"
            ? OPERATORS.has(key.name as string)
              ? [key.name as string]
              : []
            : namesIn(key),
        ),
      SwitchStatement: () => (node.cases as Syntax[]).flatMap(({ test }) => namesIn(test)),
      TSUnionType: () => (node.types as unknown[]).flatMap(namesIn),
      LogicalExpression: () => (parent?.type === "LogicalExpression" ? [] : comparedIn(node)),
      Literal: () => namesIn(node),
    };
    const names = Object.hasOwn(lists, node.type) ? lists[node.type]!() : [];
    const isWhole = !(node.type === "Literal" && names.length < 2);
    if (new Set(names).size > 1 && isWhole) found.push(names);
    for (const child of children(node)) visit(child, node);
  };
  visit(parseAst(code, { lang: file.endsWith("x") ? "tsx" : "ts" }) as unknown as Syntax, undefined);
  return found;
}

describe("lists of operator names", () => {
  test.each([
    ['const a = new Set(["Conv", "Gemm"]);', 1],
    ['if (isOp(node, "Relu", "Clip")) f();', 1],
    ['const a = "Abs Neg Relu".split(" ");', 1],
    ["const a = { Conv: [1], Gemm: [0] };", 1],
    ['switch (x) { case "Conv": case "Gemm": f(); }', 1],
    ['const a = x === "Conv" || x === "Gemm";', 1],
    ['type A = "Conv" | "Gemm";', 1],
    ['const a = x === "Conv" || y;', 0],
    ['const a = ["Conv", "Graph", 3];', 0],
    ['const a = "Max of all";', 0],
  ])("%s", (code, count) => {
    expect(listsIn(code, "a.ts")).toHaveLength(count);
  });

  test("stand in the table of facts and in tables of rules only", () => {
    const files = readdirSync(join(root, "packages"), { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name) && /\/src(\/|$)/.test(entry.parentPath))
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((file) => !file.includes("node_modules"));
    expect(files.length).toBeGreaterThan(300);
    const lists = files.flatMap((file) => {
      const name = relative(join(root, "packages"), file);
      const code = readFileSync(file, "utf8");
      // Reading the words first spares most files the parser.
      const words = new Set(code.match(/\b[A-Z]\w+/g)?.filter((word) => OPERATORS.has(word)));
      if (words.size < 2 || TO_MOVE.includes(name) || TABLES.some((table) => table.test(name))) return [];
      return listsIn(code, file)
        .filter((names) => !(name.startsWith("app/src/ui/") && names.every((word) => LABELS.includes(word))))
        .map((names) => `${name}: ${names.join(", ")}`);
    });
    expect(lists).toEqual([]);
    for (const name of TO_MOVE) {
      const file = join(root, "packages", name);
      expect(
        listsIn(readFileSync(file, "utf8"), file).length,
        `${name} has no list any more: take it off`,
      ).toBeGreaterThan(0);
    }
  });
});
