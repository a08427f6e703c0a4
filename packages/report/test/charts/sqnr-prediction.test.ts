import { expect, test } from "vitest";
import { CHARTS, type LayerSqnrRow, type SqnrSection } from "../../src/index.js";
import { expectChart } from "../helpers.js";

function layer(name: string, db: number, off: number): LayerSqnrRow {
  const kinds = (shift: number) => ({ weights: db + shift, activations: db + 4 + shift, both: db - 1 + shift });
  return {
    layer: name,
    opType: "Conv",
    value: `${name}_out`,
    weight: { measuredDb: db, uniformDb: db, optimalDb: db + 6 },
    activation: { uniformDb: db, optimalDb: db + 3 },
    predicted: { ranges: kinds(off), refined: kinds(off / 2) },
    local: kinds(0),
    cumulative: kinds(-3),
    findings: [],
  };
}
const one = { medianErrorDb: 1.25, largestErrorDb: 4, correlation: 0.97, layers: 3 };
export const SECTION: SqnrSection = {
  samples: 8,
  random: false,
  layers: [layer("conv1", 30, 1), layer("conv2", 18, -5), layer("fc", 42, 0)],
  agreement: { ranges: { weights: one, activations: one }, refined: { weights: one, activations: one } },
};

test("sqnrPrediction orders layers by prediction and labels what is far off", async () => {
  const chart = CHARTS["sqnr-prediction"].draw(SECTION);
  const svg = await expectChart(chart);
  expect(chart.table.rows.map(([name]) => name).slice(0, 3)).toEqual(["fc", "conv1", "conv2"]);
  // A dot and a bar of the strip in each of three panels, and in each the name with what it is off by.
  expect(svg.match(/data-layer="conv2"/g)).toHaveLength(9);
  expect(svg.match(/>3 conv2 \+5.0 dB</g)).toHaveLength(3);
  expect(svg).not.toContain("conv1 ");
  expect(chart.summary).toBe(
    "3 layers: the lowest local ratio is 17.0 dB in conv2; predictions of weights r = 0.97, median error 1.3 dB, of activations r = 0.97, median error 1.3 dB; 3 predictions are off by over 3 dB.",
  );
  expect(CHARTS["sqnr-prediction"].draw(SECTION, { order: "graph" }).table.rows[0]?.[0]).toBe("conv1");
});
