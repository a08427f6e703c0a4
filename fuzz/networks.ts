import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { GraphBuilder, int, serializeModel, Tensor } from "../packages/core/src/graph/index.js";
import { TOKENIZER, textOf } from "./samples.js";

/** A layer of ones over the last dimension. */
function ones(builder: GraphBuilder, input: string, rows: number): void {
  const weight = builder.constant(Tensor.float32([rows, 4], new Float32Array(4 * rows).fill(1)), "weight");
  builder.output(builder.node("MatMul", [input, weight]));
}

/** Writes a small network for tokens and one for sound, and the tokenizer of the first, to a folder; returns their paths. */
export function networksIn(folder: string): { readonly tokens: string; readonly sound: string } {
  const tokens = GraphBuilder.model("tokens");
  const words = tokens.builder.constant(Tensor.float32([8, 16], new Float32Array(128).fill(0.5)), "words");
  const ids = tokens.builder.input("input_ids", ["n", "length"], "int64");
  const embedded = tokens.builder.node("Gather", [words, ids], { axis: int(0) });
  ones(tokens.builder, embedded, 16);

  const sound = GraphBuilder.model("sound");
  ones(sound.builder, sound.builder.input("sound", [1, 1, 512]), 512);

  mkdirSync(folder, { recursive: true });
  const write = (name: string, bytes: Uint8Array) => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  write("tokenizer.json", textOf(TOKENIZER));
  return {
    tokens: write("tokens.onnx", serializeModel(tokens.model)),
    sound: write("sound.onnx", serializeModel(sound.model)),
  };
}
