import { describe, expect, test } from "vitest";
import { randomDataset } from "../../src/data/index.js";
import { GraphBuilder, Tensor } from "../../src/graph/index.js";
import {
  HUB_DTYPE_NAMES,
  HUB_DTYPES,
  hubFile,
  hubSources,
  madeText,
  VariantMaker,
  withExternalData,
} from "../../src/hub/index.js";
import { normals, outputOf, sqnrDb } from "../forms/helpers.js";
import { runner } from "../helpers/runner.js";

test("file names are those that transformers.js looks for", () => {
  const names = HUB_DTYPE_NAMES.map((dtype) => hubFile("onnx/decoder_model.onnx", dtype));
  expect(names).toContain("onnx/decoder_model_quantized.onnx");
  expect(new Set(names).size).toBe(HUB_DTYPE_NAMES.length);
  expect(hubSources(["model.onnx", "config.json", "vision_encoder.onnx", "model_O4.onnx", ...names])).toEqual([
    "model.onnx",
    "vision_encoder.onnx",
  ]);
});

describe("config.json", () => {
  test("files with weights beside them are listed, the rest stays", () => {
    const text = JSON.stringify({ model_type: "bert", "transformers.js_config": { dtype: "q8" } });
    const changed = JSON.parse(withExternalData(text, { "model_q4.onnx": 2, "model_fp16.onnx": 0 })!);
    expect(changed).toEqual({
      model_type: "bert",
      "transformers.js_config": { dtype: "q8", use_external_data_format: { "model_q4.onnx": 2 } },
    });
    expect(withExternalData(JSON.stringify(changed), { "model_q4.onnx": 2 })).toBeUndefined();
    const gone = JSON.parse(withExternalData(JSON.stringify(changed), { "model_q4.onnx": 0 })!);
    expect(gone["transformers.js_config"].use_external_data_format).toEqual({});
  });

  test("nothing is said where there is nothing to say", () => {
    expect(withExternalData("{}", { "model_q4.onnx": 0 })).toBeUndefined();
    expect(() => withExternalData("no", {})).toThrow(/config.json/);
    expect(() => withExternalData("[]", {})).toThrow(/no settings/);
  });

  test("one number for all files: those that are written now have their own", () => {
    const text = JSON.stringify({ "transformers.js_config": { use_external_data_format: true } });
    const changed = JSON.parse(withExternalData(text, { "model_q4.onnx": 0 })!);
    expect(changed["transformers.js_config"].use_external_data_format).toEqual({ model: true, "model_q4.onnx": 0 });
  });
});

test("made text: whole words of the vocabulary, the same for the same seed", () => {
  const wordPiece = { model: { vocab: { "[CLS]": 0, tree: 1, "##s": 2, house: 3, "!": 4, x: 5 } } };
  const bytePair = { model: { vocab: { "<s>": 0, Ġtree: 1, s: 2, Ġhouse: 3, Ġ9: 4 } } };
  const unigram = {
    model: {
      vocab: [
        ["<unk>", 0],
        ["▁tree", -2],
        ["▁house", -3],
        ["s", -1],
      ],
    },
  };
  for (const tokenizer of [wordPiece, bytePair, unigram]) {
    const texts = madeText(tokenizer, 5, 1);
    expect(texts).toHaveLength(5);
    expect(new Set(texts.join(" ").split(" "))).toEqual(new Set(["tree", "house"]));
    expect(madeText(tokenizer, 5, 1)).toEqual(texts);
    expect(madeText(tokenizer, 5, 2)).not.toEqual(texts);
  }
  expect(madeText({}, 3, 1)).toEqual([]);
});

describe("VariantMaker", () => {
  function model() {
    const { model, builder } = GraphBuilder.model("dense");
    let value = builder.input("x", ["N", 64]);
    for (let i = 0; i < 3; i++) {
      const weight = builder.constant(Tensor.float32([64, 64], normals(4096, i, 0.2)), `W${i}`);
      value = builder.node("Tanh", [builder.node("MatMul", [value, weight], {}, { name: `dense${i}` })]);
    }
    builder.output(value, "float32", ["N", 64]);
    return model;
  }

  test("every way of every dtype gives a network that runs and is near", async () => {
    const original = model();
    const feeds = { x: { dtype: "float32", dims: [8, 64], data: normals(512, 9) } } as const;
    const reference = await outputOf(original, feeds);
    const maker = new VariantMaker(original, randomDataset([64], 40, 1, { min: -1 }), { runner });
    for (const dtype of HUB_DTYPE_NAMES) {
      for (const way of HUB_DTYPES[dtype].ways) {
        const variant = await maker.make(way);
        expect(sqnrDb(reference, await outputOf(variant.model, feeds)), `${dtype} ${way.name}`).toBeGreaterThan(12);
      }
    }
    expect(original.graph.nodes.map(({ opType }) => opType)).toEqual(model().graph.nodes.map(({ opType }) => opType));
  });

  test("without samples nothing is learned", async () => {
    const variant = await new VariantMaker(model(), undefined, { runner }).make(HUB_DTYPES.q4.ways[0]);
    expect(variant).toMatchObject({ learned: [], notes: [], forms: { modified: true } });
  });
});
