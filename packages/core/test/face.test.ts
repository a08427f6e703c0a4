import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import * as face from "../src/index.js";
import * as lab from "../src/lab.js";

const source = readFileSync(join(import.meta.dirname, "../src/index.ts"), "utf8");
const names = [...source.matchAll(/export \{([^}]*)\}/g)].flatMap(([, list]) =>
  list!.split(",").flatMap((name) => name.trim().replace(/^type /, "") || []),
);

test("the public face is written by hand, name by name, and small", () => {
  expect(source).not.toMatch(/export \*/);
  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeLessThanOrEqual(120);
  expect(Object.keys(face).filter((name) => !names.includes(name))).toEqual([]);
});

test("the lab has all of it, and the same things", () => {
  for (const [name, value] of Object.entries(face)) expect((lab as Record<string, unknown>)[name], name).toBe(value);
});
