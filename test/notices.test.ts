import { join } from "node:path";
import { expect, test } from "vitest";
// @ts-expect-error: a script without types
import { noticesOf } from "../scripts/notices.mjs";

test.each([
  ["app", ["preact", "onnxruntime-web", "d3", "@bufbuild/protobuf", "zod"]],
  ["report", ["@observablehq/plot", "linkedom", "zod"]],
] as const)("notices of %s name what it contains, with the words of its licence", (name, parts) => {
  const notices = noticesOf(join(process.cwd(), "packages", name)) as string;
  for (const part of parts) expect(notices).toMatch(new RegExp(`^${part} [0-9.]+(-[0-9]+)?\nLicence: `, "m"));
  expect(notices).toContain("Permission is hereby granted");
  expect(notices).not.toContain(process.cwd());
});
