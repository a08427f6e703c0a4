import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { GraphBuilder, int, serializeModel, Tensor } from "@equant/core/lab";
import { describe, expect, test } from "vitest";
import { equant, temporaryFolder } from "../helpers/run.js";

const WORDS = ["the", "tree", "house", "river", "stone", "bread", "light", "water", "night", "garden"];

/** A tokenizer of ten words. */
const TOKENIZER = {
  version: "1.0",
  truncation: null,
  padding: null,
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: { type: "Whitespace" },
  post_processor: null,
  decoder: null,
  model: {
    type: "WordPiece",
    unk_token: "[UNK]",
    continuing_subword_prefix: "##",
    max_input_chars_per_word: 100,
    vocab: Object.fromEntries(["[UNK]", ...WORDS].map((word, at) => [word, at])),
  },
};

/** Tokens → rows of a table → a layer. */
function textModel(): Uint8Array {
  const { model, builder } = GraphBuilder.model("text");
  const values = (count: number, step: number) =>
    Float32Array.from({ length: count }, (_, i) => Math.sin(step * i * i + i));
  const ids = builder.input("input_ids", ["N", "S"], "int64");
  const table = builder.constant(Tensor.float32([600, 64], values(38_400, 0.37)), "words");
  const weight = builder.constant(Tensor.float32([64, 64], values(4096, 0.11)), "weight");
  const rows = builder.node("Gather", [table, ids], { axis: int(0) }, { name: "embed" });
  builder.output(builder.node("MatMul", [rows, weight], {}, { name: "dense" }), "float32", ["N", "S", 64]);
  return serializeModel(model);
}

async function hub(): Promise<string> {
  const folder = await temporaryFolder();
  await mkdir(join(folder, "onnx"));
  await writeFile(join(folder, "onnx/model.onnx"), textModel());
  await writeFile(join(folder, "tokenizer.json"), JSON.stringify(TOKENIZER));
  await writeFile(join(folder, "config.json"), JSON.stringify({ model_type: "bert" }));
  return folder;
}

interface Result {
  readonly result: {
    readonly files: { file: string; dtype: string; status: string; bytes: number; sqnrDb?: number; reason?: string }[];
  };
}

describe("equant transformers", () => {
  test("writes the set, says what it was measured on, and goes on where it was", async () => {
    const folder = await hub();
    const line = ["transformers", folder, "--dtypes", "fp16,q8,q4", "--no-latency"];
    const first = await equant([...line, "--json"]);
    expect(first.stderr).toMatch(/no data given: measured and learned on made text/);
    const { files } = first.json<Result>().result;
    expect(files.map(({ dtype, status }) => [dtype, status])).toEqual([
      ["fp32", "float"],
      ["fp16", "written"],
      ["q8", "written"],
      ["q4", "written"],
    ]);
    for (const { file, bytes, sqnrDb } of files.slice(1)) {
      expect((await stat(file)).size).toBe(bytes);
      expect(bytes).toBeLessThan(0.6 * files[0]!.bytes);
      expect(sqnrDb).toBeGreaterThan(15);
    }
    expect(JSON.parse(await readFile(join(folder, "config.json"), "utf8"))).toEqual({ model_type: "bert" });
    const before = await stat(join(folder, "onnx/model_q4.onnx"));
    const again = (await equant([...line, "--json"])).json<Result>().result.files;
    expect(again.slice(1).map(({ status, sqnrDb }) => [status, sqnrDb])).toEqual(
      files.slice(1).map(({ sqnrDb }) => ["made before", sqnrDb]),
    );
    expect((await stat(join(folder, "onnx/model_q4.onnx"))).mtimeMs).toBe(before.mtimeMs);
  });

  test("what loses too much is not written, unless forced", async () => {
    const folder = await hub();
    const line = [
      "transformers",
      join(folder, "onnx/model.onnx"),
      "--dtypes",
      "q4",
      "--no-latency",
      "--min-sqnr",
      "60",
    ];
    const refused = await equant(line);
    expect(refused.code).toBe(0);
    expect(refused.stdout).toMatch(/not written:\n.*model_q4\.onnx: blocks-4: .* dB, 60\.0 dB asked/);
    await expect(stat(join(folder, "onnx/model_q4.onnx"))).rejects.toThrow();
    const forced = await equant([...line, "--force", "--json"]);
    expect(forced.json<Result>().result.files[1]).toMatchObject({ status: "written" });
  });

  test("weights beside the model go by the names of transformers.js, and config.json counts them", async () => {
    const folder = await hub();
    await equant(["transformers", folder, "--dtypes", "q8", "--no-latency", "--external-data", "all"]);
    expect((await stat(join(folder, "onnx/model_quantized.onnx_data"))).size).toBeGreaterThan(38_400);
    const config = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
    expect(config["transformers.js_config"].use_external_data_format).toEqual({ "model_quantized.onnx": 1 });
  });

  test("a file that somebody else made is not replaced; words out of the set are refused", async () => {
    const folder = await hub();
    await writeFile(join(folder, "onnx/model_q4.onnx"), "another's");
    const refused = await equant(["transformers", folder, "--dtypes", "q4", "--no-latency"]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/E2006/);
    expect((await equant(["transformers", folder, "--dtypes", "q5"])).stderr).toMatch(/E2004/);
    expect((await equant(["transformers", join(folder, "..", "nowhere-at-all")])).stderr).toMatch(/E3001/);
  });
});
