import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assignKey, isAssignable, type KeyMap, keysOf, readKeyMap } from "../../src/ui/keymap.js";

const COMMANDS = [
  { id: "next", keys: ["j"] },
  { id: "table", keys: ["g t"] },
  { id: "graph", keys: ["g g"] },
  { id: "redo", keys: ["Ctrl+Y", "Ctrl+Shift+Z"] },
  { id: "theme" },
];

describe("keys of commands", () => {
  test("are their own until they are changed; one that is taken leaves the other command", () => {
    expect(keysOf(COMMANDS[0]!, {})).toEqual(["j"]);
    const map = assignKey({}, COMMANDS, "theme", "j");
    expect(keysOf(COMMANDS[4]!, map)).toEqual(["j"]);
    expect(keysOf(COMMANDS[0]!, map)).toEqual([]);
    expect(keysOf(COMMANDS[3]!, assignKey({}, COMMANDS, "theme", "Ctrl+Y"))).toEqual(["Ctrl+Shift+Z"]);
  });

  test("the first half of two keys takes both away", () => {
    const map = assignKey({}, COMMANDS, "next", "g");
    expect([keysOf(COMMANDS[1]!, map), keysOf(COMMANDS[2]!, map)]).toEqual([[], []]);
  });

  test("whatever is assigned, no key belongs to two commands, and the last one has its key", () => {
    const one = fc.record({
      id: fc.constantFrom(...COMMANDS.map(({ id }) => id)),
      name: fc.constantFrom("j", "k", "g", "x", "Ctrl+Y", "Ctrl+B"),
    });
    fc.assert(
      fc.property(fc.array(one, { minLength: 1, maxLength: 12 }), (steps) => {
        let map: KeyMap = {};
        for (const { id, name } of steps) map = assignKey(map, COMMANDS, id, name);
        const all = COMMANDS.flatMap((command) => keysOf(command, map));
        expect(new Set(all).size).toBe(all.length);
        const last = steps.at(-1)!;
        expect(map[last.id]).toEqual([last.name]);
      }),
      { seed: 3, numRuns: 200 },
    );
  });

  test("keys that lists and dialogs need cannot be given away", () => {
    for (const name of ["Tab", "Enter", " ", "Escape", "ArrowUp", "Ctrl+Tab"])
      expect(isAssignable(name), name).toBe(false);
    for (const name of ["q", "?", "F2", "Ctrl+B", "Ctrl++", "+"]) expect(isAssignable(name), name).toBe(true);
  });

  test("what storage holds is a map or nothing", () => {
    expect(readKeyMap('{"next":["n"],"table":[]}')).toEqual({ next: ["n"], table: [] });
    for (const text of [null, "{", "7", "null", '{"next":"n","x":[1]}']) expect(readKeyMap(text)).toEqual({});
  });
});
