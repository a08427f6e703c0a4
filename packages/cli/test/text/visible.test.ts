import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { renderTable } from "../../src/text/table.js";
import { shellWord, visible, visibleJson, visibleLines } from "../../src/text/visible.js";

const ESC = "\u001b";
const NASTY = `a${ESC}[31mb\nerror[E9001]: false\r${ESC}]0;title\u0007\u0000\u009b2J\u202egpj.\u2028\u{e0041}`;

test("what a terminal obeys is shown, and text of any language is left alone", () => {
  expect(visible(NASTY)).toMatch(/^[\u0020-\u007e]+$/);
  expect(visible(`x${ESC}[2J\n\u202e`)).toBe("x\\x1b[2J\\n\\u202e");
  for (const text of ["conv_1/Größe (層) 🙂", "ไทย é ñ"]) expect(visible(text)).toBe(text);
});

test("of lines, only ends, tabs and colours stay", () => {
  expect(visibleLines(`${ESC}[31mred${ESC}[39m\tx\n`)).toBe(`${ESC}[31mred${ESC}[39m\tx\n`);
  expect(visibleLines(`${ESC}[2J${ESC}]0;t\u0007`)).toBe("\\x1b[2J\\x1b]0;t\\x07");
});

test("a table has a line a row, whatever the cells hold", () => {
  const column = { title: "name", cell: (name: string) => name };
  for (const format of ["text", "md"] as const) {
    expect(renderTable([column], [NASTY, "b"], format).split("\n")).toHaveLength(format === "md" ? 5 : 4);
  }
});

test("JSON means the same and hides nothing", () => {
  const json = visibleJson(JSON.stringify({ name: NASTY }, undefined, 2));
  expect(JSON.parse(json)).toEqual({ name: NASTY });
  expect(json).toMatch(/^[\u0020-\u007e\n]+$/);
});

test.skipIf(process.platform === "win32")("a quoted word comes out of the shell as it was", () => {
  const words = [
    "plain/model.onnx",
    "two words",
    "it's",
    "$(rm -rf x)",
    "`x`",
    "a\nb",
    `${ESC}[31m\\'`,
    "-",
    "",
    "*?",
    "x;y&z",
  ];
  const line = `printf '%s\\0' ${words.map((word) => shellWord(word)).join(" ")}`;
  expect(visible(line)).toBe(line);
  expect(execFileSync("bash", ["-c", line]).toString().split("\0").slice(0, -1)).toEqual(words);
  expect(shellWord('two "words"', "win32")).toBe('"two ""words"""');
});
