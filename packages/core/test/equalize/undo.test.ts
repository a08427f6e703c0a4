import { describe, expect, it } from "vitest";
import { equalize } from "../../src/equalize/index.js";
import { cloneModel, serializeModel } from "../../src/graph/index.js";
import { runner } from "../helpers/runner.js";
import { parametersOf, shapesOf, stats, twoLayers, valuesOf } from "./two-layers.js";

const context = { runner };
const feeds = (...x: number[]) => ({ x: { dtype: "float32" as const, dims: [1, 3], data: Float32Array.from(x) } });

/** Ranges 3, 1, 1/3: no factor that makes them equal is a power of two, so that scaling rounds. */
function uneven(post = [3, 1, 0.4]) {
  const model = twoLayers({
    w1: [
      [3, 1, 2],
      [1, -0.3, 0.7],
      [0.1, 0.2, -0.34],
    ],
    b1: [0.3, 0.1, 0.07],
    w2: [
      [0.3, 1, 2.2],
      [-0.7, 0.9, 1.1],
    ],
    b2: [0.1, -0.2],
  });
  const { x, pre, post: behind, out } = valuesOf(model);
  const observed = stats({
    [x]: { max: [1, 1, 1], min: [-1, -1, -1] },
    [pre]: { max: post, min: [-3, -1, -0.4] },
    [behind]: { max: post },
    [out]: { max: [4, 4], min: [-4, -4] },
  });
  return { model, stats: observed, shapes: shapesOf(model) };
}

describe("channel maxima of activations", () => {
  it("are those of the statistics before, and of the scaled network after", async () => {
    const { model, ...input } = uneven();
    const { w1 } = parametersOf(model);
    const report = await equalize({ method: "two-step", keep: "always", ...input })(model, context);
    const { before, after } = report.classes[0]!.activations!;
    expect(before).toEqual([3, 1, 0.4]);
    // A channel behind a ReLU grows as its weights did.
    parametersOf(model).w1.forEach((row, j) => {
      expect(after[j]! / before[j]!).toBeCloseTo(row[0]! / w1[j]![0]!, 4);
    });
    expect(after).not.toEqual(before);
  });
});

describe("what makes matters worse is taken back", () => {
  it("factors become powers of two when the outputs drift by more than the tolerance", async () => {
    const { model, ...input } = uneven();
    const before = parametersOf(model);
    const probes = [feeds(1, 0.5, -0.25), feeds(0.3, -0.7, 0.9)];
    const report = await equalize({ method: "dfq", probes, driftTolerance: 0, ...input })(model, context);
    expect(report.undone).toEqual([
      {
        class: -1,
        producers: [],
        reason: expect.stringMatching(/^outputs drifted by .* of their range, more than 0: powers of two instead$/),
      },
    ]);
    expect(report).toMatchObject({ modified: true, drift: { max: 0, mean: 0 } });
    expect(report.noise!.after).toBeLessThan(report.noise!.before);
    parametersOf(model).w1.forEach((row, j) => {
      expect(Math.log2(row[0]! / before.w1[j]![0]!) % 1).toBeCloseTo(0, 12);
    });
  });

  it("everything, when powers of two drift too", async () => {
    // Weights of 1e-20 against weights of 1 call for a factor of 1e10, and 1e10 times the bias is no float any more.
    const model = twoLayers({ w1: [[1e-20, 0, 0]], b1: [1e35], w2: [[1]], b2: [0] });
    const before = serializeModel(cloneModel(model));
    const probes = [feeds(1, 0, 0)];
    const report = await equalize({ method: "dfq", probes, shapes: shapesOf(model) })(model, context);
    expect(report.undone.map(({ reason }) => reason)).toEqual([
      "outputs drifted by Infinity of their range, more than 0.0001: powers of two instead",
      "outputs drifted by Infinity of their range, more than 0.0001",
    ]);
    expect(report).toMatchObject({ modified: false, drift: { max: 0, mean: 0 }, clips: [] });
    expect(serializeModel(model)).toEqual(before);
  });

  it("nothing, where everything is kept: the drift is said", async () => {
    const { model, ...input } = uneven();
    const probes = [feeds(1, 0.5, -0.25), feeds(0.3, -0.7, 0.9)];
    const options = { method: "dfq", keep: "always", probes, driftTolerance: 0 } as const;
    const report = await equalize({ ...options, ...input })(model, context);
    expect(report).toMatchObject({ modified: true, undone: [] });
    expect(report.worse.map(({ reason }) => reason)).toEqual([expect.stringMatching(/^outputs drifted by/)]);
    const plain = cloneModel(uneven().model);
    await equalize({ method: "dfq", keep: "always", ...input })(plain, {});
    expect(serializeModel(model)).toEqual(serializeModel(plain));
  });

  it("nothing within the tolerance, and the drift is reported", async () => {
    const { model, ...input } = uneven();
    const probes = [feeds(1, 0.5, -0.25)];
    const report = await equalize({ method: "dfq", probes, ...input })(model, context);
    expect(report).toMatchObject({ modified: true, undone: [] });
    expect(report.drift!.max).toBeGreaterThan(0);
    expect(report.drift!.max).toBeLessThan(1e-6);
  });

  it("no drift is measured without probes; probes need a runner", async () => {
    const { model, ...input } = uneven();
    expect((await equalize({ method: "dfq", ...input })(cloneModel(model), {})).drift).toBeUndefined();
    const run = async () => equalize({ method: "dfq", probes: [feeds(1, 1, 1)], ...input })(model, {});
    await expect(run()).rejects.toMatchObject({ code: "E4005" });
  });

  it("all of it where the predicted noise rose: dfq looks at weights alone and raises a channel that is large already", async () => {
    // By weights the third channel is the smallest; its values are the largest. Amplified, it sets the range of all three.
    const { model, ...input } = uneven([0.1, 0.1, 30]);
    const before = parametersOf(model);
    const report = await equalize({ method: "dfq", ...input })(model, {});
    expect(report.undone).toEqual([
      {
        class: -1,
        producers: [],
        reason: expect.stringMatching(/^predicted noise rose by [\d.e+]+ %$/),
      },
    ]);
    expect(report.modified).toBe(false);
    expect(parametersOf(model)).toEqual(before);
    // Whoever asks for the method as it is gets it, with what speaks against it.
    const always = cloneModel(model);
    const told = await equalize({ method: "dfq", keep: "always", ...input })(always, {});
    expect(told).toMatchObject({ modified: true, undone: [], worse: report.undone });
    // Without statistics there is nothing to judge by: the factors are taken.
    const { shapes } = input;
    expect((await equalize({ method: "dfq", shapes })(model, {})).modified).toBe(true);
  });

  it("absorption alone, where it drifts; the factors stay", async () => {
    const { model, stats: observed, shapes } = uneven();
    const { pre } = valuesOf(model);
    const high = new Map(observed).set(pre, {
      max: [3, 1, 0.4],
      min: [1, -1, -0.4],
      mean: [2, 0, 0],
      meanSquare: [5, 1, 1],
    });
    const options = { method: "dfq", absorbBias: "observed", stats: high, shapes } as const;
    const absorbed = cloneModel(model);
    // A first pre-activation of 3.3: above the lowest seen, so nothing is cut off.
    const kept = await equalize({ ...options, probes: [feeds(1, 0, 0)] })(absorbed, context);
    expect(kept).toMatchObject({ undone: [], absorbed: [{ node: "first", channels: 1 }] });
    expect(kept.drift!.max).toBeLessThan(1e-6);
    const plain = cloneModel(model);
    await equalize({ method: "dfq", stats: high, shapes })(plain, {});
    // 0.3 lies below 1: Relu cuts off what was absorbed.
    const undone = await equalize({ ...options, probes: [feeds(0, 0, 0)] })(model, context);
    expect(undone.undone).toEqual([
      { class: -1, producers: [], reason: expect.stringMatching(/^bias absorption: outputs drifted by/) },
    ]);
    expect(undone).toMatchObject({ modified: true, absorbed: [] });
    expect(serializeModel(model)).toEqual(serializeModel(plain));
    expect(parametersOf(absorbed).b1).not.toEqual(parametersOf(plain).b1);
  });
});
