import fc from "fast-check";
import { expect, test } from "vitest";
import { change, history, redo, undo } from "../../src/recipe/history.js";

test("undo goes back, redo forward, a change forgets what was undone", () => {
  const changed = change(change(history("a"), "b"), "c");
  expect(undo(changed).present).toBe("b");
  expect(redo(undo(changed))).toEqual(changed);
  const other = change(undo(undo(changed)), "d");
  expect(other).toEqual({ past: ["a"], present: "d", future: [] });
  expect(redo(other)).toBe(other);
});

test("the same state again is no step", () => {
  const start = history({ value: 1 });
  expect(change(start, { value: 1 }, (a, b) => a.value === b.value)).toBe(start);
});

test("is a list with a cursor", () => {
  const action = fc.oneof(fc.nat(9), fc.constant("undo" as const), fc.constant("redo" as const));
  fc.assert(
    fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
      let list = [-1];
      let at = 0;
      let state = history(-1);
      for (const step of actions) {
        if (step === "undo") {
          state = undo(state);
          at = Math.max(0, at - 1);
        } else if (step === "redo") {
          state = redo(state);
          at = Math.min(list.length - 1, at + 1);
        } else {
          state = change(state, step);
          if (list[at] !== step) {
            list = [...list.slice(0, at + 1), step];
            at++;
          }
        }
        expect(state.present).toBe(list[at]);
        expect(state.past).toEqual(list.slice(0, at));
        expect(state.future).toEqual(list.slice(at + 1));
      }
    }),
    { seed: 7 },
  );
});
