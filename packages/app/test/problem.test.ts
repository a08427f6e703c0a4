import { ERROR_CODES, ModelError, RunError } from "@equant/core/errors";
import { expect, test } from "vitest";
import { problemOf, reportText } from "../src/problem.js";

test("a typed error becomes what, where, why, what now", () => {
  const error = new ModelError("E3002", "model.onnx: not an ONNX file but a PNG image", {
    file: "model.onnx",
    hint: "give the ONNX model here",
  });
  expect(problemOf(error)).toEqual({
    code: "E3002",
    what: "Not an ONNX file, or damaged.",
    where: "model.onnx",
    why: "Not an ONNX file but a PNG image.",
    now: "Give the ONNX model here.",
    at: "model.onnx",
  });
});

test.each([
  new RangeError("Array buffer allocation failed"),
  new RunError("E6004", "calibrate: ONNX Runtime failed (std::bad_alloc)", {}, new Error("std::bad_alloc")),
  new RunError("E6003", "run: ONNX Runtime cannot load the model (x)", {}, new RangeError("Out of memory")),
])("running out of memory is said in words: %s", (error) => {
  expect(problemOf(error)).toMatchObject({ code: "E6001", what: "Not enough memory." });
});

test("bare numbers and aborts of the runtime are translated", () => {
  const numbered = problemOf(new RunError("E6004", "run: ONNX Runtime failed (1829342)"));
  expect(numbered.why).not.toMatch(/\d/);
  const aborted = problemOf(
    new RunError("E6004", "run: ONNX Runtime failed (abort(undefined). Build with -sASSERTIONS)"),
  );
  expect(aborted.why).not.toContain("undefined");
});

test("every code has something to do", () => {
  for (const code of Object.keys(ERROR_CODES) as (keyof typeof ERROR_CODES)[]) {
    const { what, now } = problemOf(new RunError(code, "x: y"));
    expect(what.length).toBeGreaterThan(3);
    expect(now).toMatch(/^[A-Z].*\.$/);
  }
});

test("what is not typed is a bug, and says what to do", () => {
  expect(problemOf(new Error("boom"))).toMatchObject({ code: "E9001", why: "boom" });
  expect(problemOf("text")).toMatchObject({ code: "E9001", why: "text" });
});

test("the report to copy is JSON with facts of the page", () => {
  expect(JSON.parse(reportText(problemOf(new Error("boom")), { screen: "model" }))).toMatchObject({
    code: "E9001",
    screen: "model",
  });
});
