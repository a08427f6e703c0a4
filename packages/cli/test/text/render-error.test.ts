import { readFileSync } from "node:fs";
import { ERROR_CODES, type ErrorCode, OptionsError } from "@equant/core/errors";
import { expect, test } from "vitest";
import { fromSystemError } from "../../src/files/system-errors.js";
import { WARNING_CODES } from "../../src/frame/warnings.js";
import { errorReport, renderError, toTypedError } from "../../src/text/render-error.js";

const page = readFileSync(new URL("../../../../docs/errors.md", import.meta.url), "utf8");
const sections = new Map(
  page
    .split(/^### /m)
    .slice(1)
    .map((part) => [part.slice(0, 5), part.slice(5).trim()]),
);

test.each(Object.keys(ERROR_CODES))("docs/errors.md explains %s with cause and remedy", (code) => {
  const section = sections.get(code);
  expect(section, `docs/errors.md has a section ### ${code}`).toBeDefined();
  expect(section!.length).toBeGreaterThan(40);
  expect(section).toMatch(/^\*\*.+\*\*/);
});

test("docs/errors.md lists every warning and no code that does not exist", () => {
  for (const code of Object.keys(WARNING_CODES)) expect(sections.has(code), code).toBe(true);
  for (const code of sections.keys()) expect(code in ERROR_CODES || code in WARNING_CODES, code).toBe(true);
});

test("message, nearest names, hint and page; no stack unless verbose", () => {
  const error = new OptionsError("E2103", "--exclude 'classifer/*' matches none of 155 nodes", {
    nearest: ["classifier/fc1", "classifier/fc2"],
    hint: "list names with  equant inspect m.onnx --names",
  });
  expect(renderError(error)).toBe(
    "error[E2103]: --exclude 'classifer/*' matches none of 155 nodes\n" +
      "  nearest: classifier/fc1, classifier/fc2\n" +
      "  hint: list names with  equant inspect m.onnx --names\n" +
      "  see docs/errors.md#e2103\n",
  );
  const cause = new Error("inner");
  const verbose = renderError(new OptionsError("E2001", "outer", {}, cause), { verbose: true });
  expect(verbose).toContain("OptionsError: outer\n");
  expect(verbose).toContain("caused by Error: inner\n");
});

test("the JSON form says where", () => {
  const details = { node: "conv1", opType: "Conv", tensor: "w", actual: 5, expected: 4 };
  expect(errorReport(new OptionsError("E2002", "m", details))).toEqual({
    code: "E2002",
    message: "m",
    at: { node: "conv1", opType: "Conv", tensor: "w" },
  });
});

test("did-you-mean is added wherever an error says what was written and what exists", () => {
  const near = new OptionsError("E2004", "m", { actual: "in8", expected: ["int8", "uint8", "float32"] });
  expect(errorReport(near).hint).toBe("did you mean 'int8'?");
  const far = new OptionsError("E2004", "m", { actual: "banana", expected: ["int8", "uint8"] });
  expect(errorReport(far).hint).toBeUndefined();
});

test.each([
  ["read", "ENOENT", "E3001", "no such file"],
  ["read", "EACCES", "E3001", "permission denied"],
  ["read", "EISDIR", "E3001", "it is a folder"],
  ["read", "EMFILE", "E6006", "too many open files"],
  ["read", "ENOMEM", "E6001", "not enough memory"],
  ["write", "ENOSPC", "E6002", "the disk is full"],
  ["write", "EDQUOT", "E6002", "the disk quota is used up"],
  ["write", "EROFS", "E6002", "the disk is read-only"],
  ["write", "EACCES", "E6002", "permission denied"],
  ["write", "EISDIR", "E2006", "it is a folder"],
  ["write", "EEXIST", "E2006", "it exists already"],
  ["write", "EMFILE", "E6006", "too many open files"],
] as const)("%s %s is %s with file, cause and next step", (doing, code, expected, what) => {
  const system = Object.assign(new Error(`${code}: x`), { code, syscall: "open", path: "/a/b" });
  const typed = toTypedError(fromSystemError(system, doing, "b.onnx"));
  expect(typed.code).toBe(expected satisfies ErrorCode);
  expect(typed.message).toContain(`cannot ${doing} b.onnx: ${what}`);
  expect(typed.message).toContain(`(${code})`);
  expect(typed.hint).toBeTruthy();
  expect(typed.details.file).toBe("b.onnx");
  expect(typed.cause).toBe(system);
});

test("system errors without context are read errors, unless only writing can cause them", () => {
  const at = (code: string, syscall: string) => Object.assign(new Error(code), { code, syscall, path: "/p" });
  expect(toTypedError(at("EACCES", "open")).code).toBe("E3001");
  expect(toTypedError(at("ENOSPC", "write")).code).toBe("E6002");
  expect(toTypedError(at("EACCES", "mkdir")).code).toBe("E6002");
  expect(toTypedError(at("EWEIRD", "open")).code).toBe("E9001");
});

test("running out of memory is a resource error, not a bug", () => {
  const thrown = () => new ArrayBuffer(2 ** 53);
  let error: unknown;
  try {
    thrown();
  } catch (caught) {
    error = caught;
  }
  expect(toTypedError(error).code).toBe("E6001");
  expect(toTypedError("text").code).toBe("E9001");
});
