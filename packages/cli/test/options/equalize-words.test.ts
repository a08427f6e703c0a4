import { EQUALIZE_METHODS, RELU6_MODES } from "@equant/core";
import { expect, test } from "vitest";
import { EQUALIZE, EQUALIZE_OR_CLE, RELU6, RELU6_OR_AUTO } from "../../src/options/equalize-words.js";

test("the words of flags and config are core's", () => {
  expect(EQUALIZE).toEqual(EQUALIZE_METHODS);
  expect(RELU6).toEqual(RELU6_MODES);
  expect([RELU6_OR_AUTO[0], EQUALIZE_OR_CLE.at(-1)]).toEqual(["auto", "cle"]);
});
