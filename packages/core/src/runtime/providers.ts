import { GraphBuilder } from "../graph/index.js";
import type { ProviderChoice, ProviderName } from "./provider-names.js";
import { createRunner, type OrtModule, type Runner, type RunnerOptions } from "./runner.js";

/** What `auto` tries, in this order, before the processor. */
const ACCELERATORS: readonly ProviderName[] = ["cuda", "coreml", "dml", "webgpu"];

/** `onnxruntime-node 1.30.0`, and who executes where that is not the processor: `…, cuda`. */
export function describeRuntime({ backend, version = "unknown", options: { providers = [] } }: Runner): string {
  const [first = "cpu"] = providers;
  return `onnxruntime-${backend} ${version}${first === "cpu" || first === "wasm" ? "" : `, ${first}`}`;
}

/** A runner and who executes what it is given. */
export interface ProvidedRunner {
  readonly runner: Runner;
  readonly provider: ProviderName;
  /** What was tried and cannot be had, with the reason in ONNX Runtime's words. */
  readonly refused: readonly { readonly provider: ProviderName; readonly reason: string }[];
}

/**
 * A runner on the provider that was asked for, if a network of one node runs on it; otherwise on the processor, and `refused` says why.
 * Operators that a provider does not have run on the processor, as ONNX Runtime places them.
 */
export async function provideRunner(
  ort: OrtModule,
  asked: ProviderChoice,
  options: Omit<RunnerOptions, "providers"> = {},
): Promise<ProvidedRunner> {
  const refused: { provider: ProviderName; reason: string }[] = [];
  const tried = asked === "auto" ? ACCELERATORS : asked === "cpu" ? [] : [asked];
  const processor = createRunner(ort, options);
  // What fails is said once, by us.
  if (tried.length > 0) ort.env.logLevel = "fatal";
  for (const provider of tried) {
    const base = processor.backend === "node" ? "cpu" : "wasm";
    try {
      // Alone: beside another one ONNX Runtime leaves out what it does not have, without an error.
      await runOneNode(createRunner(ort, { ...options, providers: [provider] }));
      return { runner: createRunner(ort, { ...options, providers: [provider, base] }), provider, refused };
    } catch (error) {
      refused.push({ provider, reason: firstSentence(error) });
    }
  }
  return { runner: processor, provider: "cpu", refused };
}

async function runOneNode(runner: Runner): Promise<void> {
  const { model, builder } = GraphBuilder.model("provider");
  const input = builder.input("input", [1, 4]);
  builder.output(builder.node("Relu", [input]), "float32", [1, 4]);
  const data = Float32Array.of(-1, 0, 1, 2);
  const outputs = await runner.using(model, (session) =>
    session.run({ [input]: { dtype: "float32", dims: [1, 4], data } }),
  );
  const [result] = Object.values(outputs);
  if (Array.from(result!.data as Float32Array).join() !== "0,0,1,2") throw new Error("it computes wrong values");
}

/** The reason without where in ONNX Runtime's sources it was found. */
function firstSentence(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const message = cause instanceof Error ? cause.message : String(cause);
  const plain = message.replace(/^\/\S+\s.* was false\. /s, "").trim();
  return plain.split("\n")[0]!;
}
