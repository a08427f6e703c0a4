import { GraphBuilder, Tensor } from "../graph/index.js";
import type { Runner } from "./runner.js";

/** Products of one sum; enough for every width of vector that a kernel may use. */
const LENGTH = 128;

/** Answers by runner: a processor does not change while a program runs. */
const known = new WeakMap<Runner, Promise<boolean>>();

/**
 * Whether this runtime, on this processor, adds products of uint8 and int8 exactly. On x86 without VNNI it adds them in pairs
 * in 16 bits (vpmaddubsw), which saturates above 32,767: 255·127 + 255·127 shows it. Measured once a runner, by one product of
 * matrices with {@link LENGTH} such terms.
 */
export function sumsExactly(runner: Runner): Promise<boolean> {
  const answer = known.get(runner) ?? measure(runner);
  known.set(runner, answer);
  return answer;
}

async function measure(runner: Runner): Promise<boolean> {
  const rows = 4;
  const { model, builder } = GraphBuilder.model("kernel sums", 17);
  const weights = builder.constant(
    Tensor.of("int8", [LENGTH, rows], new Int8Array(LENGTH * rows).fill(127)),
    "weights",
  );
  const input = builder.input("input", [rows, LENGTH], "uint8");
  builder.output(builder.node("MatMulInteger", [input, weights]), "int32");
  const data = new Uint8Array(rows * LENGTH).fill(255);
  return runner.using(
    model,
    async (session) => {
      const outputs = await session.run({ [input]: { dtype: "uint8", dims: [rows, LENGTH], data } });
      const [sums] = Object.values(outputs);
      return (sums!.data as Int32Array).every((sum) => sum === LENGTH * 255 * 127);
    },
    { purpose: "kernel sums" },
  );
}
