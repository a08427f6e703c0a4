import { foldGraph } from "@equant/report/graph";
import { expect, test } from "vitest";
import { networkBuilder } from "../../../report/test/graph/networks.js";
import { neighboursOf, tracePath } from "../../src/graph-view/trace.js";

test("a path leads to what reaches the card and what it reaches, and to nothing else", () => {
  const net = networkBuilder();
  const a = net.add("Conv", ["x"], { id: "a" });
  const b = net.add("Conv", [a], { id: "b" });
  const c = net.add("Conv", [a], { id: "c" });
  const d = net.add("Concat", [b, c], { id: "d" });
  const folded = foldGraph(net.done(["x"], [d]));
  const path = (mode: Parameters<typeof tracePath>[2]) =>
    [...tracePath(neighboursOf(folded), folded.cardOf.get("b")!, mode)].map((card) => folded.cards[card]!.main).sort();
  expect(path("upstream")).toEqual(["a", "b", "input:x"]);
  expect(path("downstream")).toEqual(["b", "d", `output:${d}`]);
  expect(path("both")).toEqual(["a", "b", "d", "input:x", `output:${d}`]);
  expect(path("none")).toEqual(["b"]);
});
