import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nameOf, readMessage } from "../../src/link/handover.js";
import { formatLink, type Link, parseLink } from "../../src/link/link.js";
import { decodeRecipe, encodeRecipe, RECIPE_LIMIT } from "../../src/link/recipe-link.js";
import { DEFAULT_RECIPE, withStep } from "../../src/recipe/recipe.js";
import { SCREENS } from "../../src/state/screens.js";
import { GRAPH_COLOURS, SORT_KEYS } from "../../src/state/view.js";

const optional = <T>(name: string, values: fc.Arbitrary<T>) =>
  fc.option(
    values.map((value) => ({ [name]: value })),
    { nil: {} },
  );
const links: fc.Arbitrary<Link> = fc
  .tuple(
    fc.constantFrom(...SCREENS.map(({ id }) => id)),
    optional("run", fc.stringMatching(/^[0-9a-f]{2,8}$/)),
    optional("layer", fc.string({ minLength: 1, unit: "grapheme" })),
    optional("view", fc.constantFrom(...GRAPH_COLOURS)),
    optional("sort", fc.record({ key: fc.constantFrom(...SORT_KEYS), down: fc.boolean() })),
    optional("recipe", fc.stringMatching(/^[\w-]{1,40}$/)),
  )
  .map(([screen, ...parts]) => Object.assign({ screen }, ...parts));

describe("links", () => {
  test("what is written is read again, whatever a layer is called", () => {
    fc.assert(
      fc.property(links, (link) => {
        expect(parseLink(formatLink(link))).toEqual(link);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  test("no text makes it throw, and what is not known is left out", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => void parseLink(text)),
      { seed: 2, numRuns: 300 },
    );
    expect(parseLink("#/nowhere?run=xyz&view=heat&sort=up")).toEqual({});
    expect(parseLink("")).toEqual({});
  });

  test("a bare direction sorts by what is looked at", () => {
    expect(parseLink("#/validate?run=ab12&layer=a/b&view=sqnr-local&sort=asc")).toEqual({
      screen: "validate",
      run: "ab12",
      layer: "a/b",
      view: "sqnr-local",
      sort: { key: "localDb", down: false },
    });
    expect(parseLink("#/model?view=size&sort=desc").sort).toEqual({ key: "bytes", down: true });
  });

  test("a recipe alone is a link", () => {
    expect(parseLink("#recipe=abc")).toEqual({ recipe: "abc" });
  });
});

describe("recipes in links", () => {
  test("come back as they were, names of any script included", () => {
    const recipe = withStep(DEFAULT_RECIPE, { use: "quantize", exclude: ["слой/卷积"] });
    const text = encodeRecipe(recipe)!;
    expect(text).toMatch(/^[\w-]+$/);
    expect(decodeRecipe(text)).toEqual(recipe);
  });

  test("too long, cut off or no recipe: said so", () => {
    const nodes = Array.from({ length: 300 }, (_, at) => `layer_${at}`);
    expect(encodeRecipe(withStep(DEFAULT_RECIPE, { use: "quantize", exclude: nodes }))).toBeUndefined();
    expect(() => decodeRecipe("A".repeat(RECIPE_LIMIT + 1))).toThrow(/longer than 2048/);
    expect(() => decodeRecipe(encodeRecipe(DEFAULT_RECIPE)!.slice(0, -7))).toThrow(/link:/);
    expect(() => decodeRecipe("%%%")).toThrow(/cut off or changed/);
    expect(() => decodeRecipe(btoa('{"a":1}'))).toThrow(/no recipe/);
  });
});

describe("messages of other pages", () => {
  const model = new Uint8Array([8, 1]).buffer;
  test("a model with or without a name and recipe", () => {
    expect(readMessage("PING")).toBe("PING");
    expect(readMessage({ model })).toEqual({ name: "model.onnx", bytes: model });
    expect(readMessage({ model, name: "../x/net.onnx", recipe: { steps: [] } })).toEqual({
      name: "net.onnx",
      bytes: model,
      recipe: '{"steps":[]}',
    });
    expect(nameOf("  ")).toBe("model.onnx");
    expect(nameOf("a".repeat(500)).length).toBe(120);
  });

  test.each([
    "ping",
    null,
    7,
    {},
    { model: new ArrayBuffer(0) },
    { model: new Uint8Array(4) },
    { model: "bytes" },
    { model, recipe: 5 },
    { model, recipe: "x".repeat(1e6 + 1) },
  ])("%s is ignored", (data) => {
    expect(readMessage(data)).toBeUndefined();
  });
});
