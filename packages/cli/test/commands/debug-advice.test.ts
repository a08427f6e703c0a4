import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type AdviceReport,
  forEachWeight,
  linearLayers,
  type Model,
  parseModel,
  serializeModel,
  Tensor,
} from "@equant/core/lab";
import { expect, test } from "vitest";
import { DIGITS_MODEL, writeDigits } from "../helpers/digits.js";
import { equant, temporaryFolder } from "../helpers/run.js";

interface Debugged {
  result: { layers: { layer: string }[]; advice?: AdviceReport };
}

/** One output channel of a layer × 100 with its bias, the next layer's weights for it ÷ 100: the same function. */
function blowUp(model: Model, at: number, channel: number): string {
  const layers = linearLayers(model.graph);
  const [layer, next] = [layers[at]!, layers[at + 1]!];
  const perChannel = next.inChannels / layer.outChannels;
  const scale = (which: typeof layer, factor: (out: number, input: number) => number) => {
    const values = Float32Array.from(which.tensor.array() as Float32Array);
    forEachWeight(which, (flat, out, input) => {
      values[flat]! *= factor(out, input);
    });
    model.graph.initializers.set(which.weight, Tensor.float32(which.tensor.dims, values));
  };
  scale(layer, (out) => (out === channel ? 100 : 1));
  scale(next, (_, input) => (Math.floor(input / perChannel) === channel ? 0.01 : 1));
  const bias = Float32Array.from(model.graph.initializers.get(layer.bias!)!.array() as Float32Array);
  bias[channel]! *= 100;
  model.graph.initializers.set(layer.bias!, Tensor.float32([bias.length], bias));
  return layer.node.name;
}

test("names a planted fault: the layer, the channel and the remedy come first", async () => {
  const cwd = await temporaryFolder();
  const data = await writeDigits(cwd, 16);
  const model = parseModel(await readFile(DIGITS_MODEL));
  const layer = blowUp(model, 1, 5);
  await writeFile(join(cwd, "sick.onnx"), serializeModel(model));
  const flags = ["--data", data, "--preset", "zero-one", "--samples", "16", "--granularity", "per-tensor"];
  const text = await equant(["debug", "sick.onnx", ...flags], { cwd });
  const lines = text.stdout.split("\n");
  expect(lines[0]).toMatch(/^output SQNR \d+\.\d dB on 8 samples; what costs it most:$/);
  expect(lines[1]).toMatch(new RegExp(`^1\\. ${layer}: channel 5 is \\d+ times as wide as the median one in `));
  expect(text.stdout).toMatch(/equalize channels +all layers +\d+\.\d dB +\+\d\d\.\d +recommended/);
  expect(text.stderr).toContain("hint: equant compress sick.onnx --data ");
});

test("--no-advice leaves the remedies out", async () => {
  const cwd = await temporaryFolder();
  const data = await writeDigits(cwd, 4);
  const flags = ["--data", data, "--preset", "zero-one", "--no-advice", "--json"];
  const { result } = (await equant(["debug", DIGITS_MODEL, ...flags], { cwd })).json<Debugged>();
  expect(result.advice).toBeUndefined();
  expect(result.layers.length).toBeGreaterThan(3);
});
