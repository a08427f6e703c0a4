import { expect, test } from "vitest";
import { parseModel, serializeModel } from "../../src/graph/index.js";
import { contextOf, forThisProcessor, TARGET_NAMES, targetOf } from "../../src/quantize/index.js";
import { type Runner, sumsExactly } from "../../src/runtime/index.js";
import { expectTypes } from "../helpers/file-types.js";
import { runner } from "../helpers/runner.js";
import { feedOf, MORE_NETWORKS, outputsOf, quantizeCopy, sqnrDb } from "./networks.js";

const CASES = TARGET_NAMES.flatMap((target) => Object.keys(MORE_NETWORKS).map((name) => [target, name] as const));

test.each(CASES)("%s, %s: every weight and bias in the file is of the row's types", async (target, name) => {
  for (const processor of ["vnni", "avx2"] as const) {
    const { model } = await quantizeCopy(MORE_NETWORKS[name]!(), { target, processor });
    const file = parseModel(serializeModel(model));
    expect(targetOf(file)).toBe(target);
    expectTypes(file, target, processor);
  }
});

test("uint8 weights are refused where the target's row has none, asymmetric ones where it takes no zero points", async () => {
  const model = MORE_NETWORKS.movers!();
  for (const target of ["tensorrt", "hailo", "fpga", "ort-cpu"] as const) {
    const made = quantizeCopy(model, { target, weightStorage: "uint8" });
    if (target === "ort-cpu") await made;
    else await expect(made).rejects.toMatchObject({ code: "E2004" });
  }
  await expect(quantizeCopy(model, { target: "tensorrt", weights: "uint8" })).rejects.toMatchObject({
    code: "E2004",
  });
});

test("the processor is measured in Node, for ort-cpu, where it is not given", async () => {
  const processor = (await sumsExactly(runner)) ? "vnni" : "avx2";
  expect(await forThisProcessor({}, { runner })).toEqual({ processor });
  expect(await forThisProcessor({ target: "hailo" }, { runner })).toEqual({ target: "hailo" });
  expect(await forThisProcessor({ processor: "vnni" }, { runner })).toEqual({ processor: "vnni" });
  expect(await forThisProcessor({}, { runner: { ...runner, backend: "web" } })).toEqual({});
  expect(await forThisProcessor({}, {})).toEqual({});
});

test("a runtime whose sums saturate runs a file of another target in float operators that round", async () => {
  const { model } = await quantizeCopy(MORE_NETWORKS.movers!(), { target: "tensorrt" });
  const literal = await outputsOf(model, { optimization: "disabled" });
  const { runner: there } = await contextOf("tensorrt", { runner: saturating(runner) });
  expect(there).not.toBe(runner);
  const feeds = await feedOf();
  const results = await there!.using(serializeModel(model), (session) => session.run(feeds));
  const values = Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, data as Float32Array]));
  expect(sqnrDb(literal, values)).toBeGreaterThan(50);
});

/** A runner whose kernels lose the sum that {@link sumsExactly} asks for. */
function saturating(known: Runner): Runner {
  return {
    ...known,
    using: (model, use, options) =>
      options?.purpose === "kernel sums"
        ? known.using(
            model,
            (session) =>
              use({
                ...session,
                run: async (feeds, given) => {
                  const outputs = await session.run(feeds, given);
                  return Object.fromEntries(
                    Object.entries(outputs).map(([name, tensor]) => [
                      name,
                      { ...tensor, data: new Int32Array(tensor.data.length).fill(32767) },
                    ]),
                  );
                },
              }),
            options,
          )
        : known.using(model, use, options),
  };
}
