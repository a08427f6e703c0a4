import type { GraphSummary, SummaryNode } from "../../src/graph/types.js";

/** Builds summaries step by step: each call adds one operator and returns the name of its output. */
export function networkBuilder() {
  const nodes: SummaryNode[] = [];
  let count = 0;
  return {
    nodes,
    add(opType: string, inputs: readonly string[], more: Partial<SummaryNode> = {}): string {
      const id = more.id ?? `${opType.toLowerCase()}_${count}`;
      const output = `v${count++}`;
      nodes.push({ id, name: id, opType, inputs, outputs: [output], ...more });
      return output;
    },
    done(inputs: readonly string[], outputs: readonly string[]): GraphSummary {
      return { nodes, inputs, outputs };
    },
  };
}

/** Deterministic pseudo-random numbers in 0–1. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A transformer encoder as exporters write it: layer norm, softmax and Gelu in small operators; 40 nodes a layer. */
export function transformer(layers: number): GraphSummary {
  const net = networkBuilder();
  const random = randomOf(7);
  const { add } = net;
  const weight = (name: string, size: number): Partial<SummaryNode> => ({
    id: name,
    weightBytes: size,
    macs: size * 64,
    bits: random() < 0.7 ? 8 : 32,
    sparsity: random() * 0.6,
    sqnrDb: 5 + 45 * random(),
  });
  const norm = (x: string) => {
    const centred = add("Sub", [x, add("ReduceMean", [x])]);
    const variance = add("ReduceMean", [add("Pow", [centred, "two"])]);
    return add("Add", [add("Mul", [add("Div", [centred, add("Sqrt", [add("Add", [variance, "eps"])])]), "g"]), "b"]);
  };
  const dense = (x: string, name: string, size: number) =>
    add("Add", [add("MatMul", [x, "w"], weight(name, size)), "bias"]);
  let x = add("Add", [add("Gather", ["table", "ids"], weight("embedding", 23e6)), "positions"]);
  for (let i = 0; i < layers; i++) {
    const at = `layer.${i}`;
    const y = norm(x);
    const heads = ["query", "key", "value"].map((name) =>
      add("Transpose", [add("Reshape", [dense(y, `${at}.attention.${name}`, 590e3), "shape"])]),
    );
    const scores = add("Softmax", [add("Div", [add("MatMul", [heads[0]!, add("Transpose", [heads[1]!])]), "root"])]);
    const mixed = add("Reshape", [add("Transpose", [add("MatMul", [scores, heads[2]!])]), "shape"]);
    x = add("Add", [x, dense(mixed, `${at}.attention.output`, 590e3)]);
    const wide = dense(norm(x), `${at}.mlp.up`, 2.4e6);
    const gelu = add("Mul", [wide, add("Add", [add("Erf", [add("Div", [wide, "root2"])]), "one"])]);
    x = add("Add", [x, dense(gelu, `${at}.mlp.down`, 2.4e6)]);
  }
  const out = add("MatMul", [norm(x), "w"], weight("head", 23e6));
  return net.done(["ids"], [out]);
}

/** Depthwise-separable blocks with or without batch-norm and QDQ: a MobileNetV1 of 13 blocks has 27 convolutions. */
export function mobileNet(options: { batchNorm?: boolean; qdq?: boolean } = {}): GraphSummary {
  const net = networkBuilder();
  let made = 0;
  const quantized = (x: string): string =>
    options.qdq
      ? net.add("DequantizeLinear", [net.add("QuantizeLinear", [x, "s"], { id: `q${made}` }), "s"], {
          id: `dq${made++}`,
        })
      : x;
  const layer = (x: string, name: string): string => {
    const w = options.qdq ? net.add("DequantizeLinear", [`${name}.w`], { id: `${name}.wdq` }) : `${name}.w`;
    const y = net.add("Conv", [quantized(x), w], { id: name, weightBytes: 1000, bits: options.qdq ? 8 : 32 });
    const z = options.batchNorm ? net.add("BatchNormalization", [y, "m"], { id: `${name}.bn` }) : y;
    return net.add("Relu", [z], { id: `${name}.relu` });
  };
  let x = layer("image", "stem");
  for (let i = 0; i < 13; i++) x = layer(layer(x, `block${i}.dw`), `block${i}.pw`);
  x = net.add("GlobalAveragePool", [quantized(x)], { id: "pool" });
  const flat = net.add("Flatten", [x], { id: "flat" });
  net.add("Gemm", [flat, "fc.w"], { id: "fc", weightBytes: 4000, bits: 32, outputs: ["logits"] });
  return net.done(["image"], ["logits"]);
}

/** A random acyclic network of operators that do not fold: nodes read from up to three of the last `reach`. */
export function randomNetwork(size: number, seed: number, reach = 12): GraphSummary {
  const random = randomOf(seed);
  const nodes: SummaryNode[] = [];
  for (let i = 0; i < size; i++) {
    const inputs = new Set<string>();
    const wanted = i === 0 ? 0 : 1 + Math.floor(3 * random());
    for (let k = 0; k < wanted; k++) inputs.add(`v${Math.max(0, i - 1 - Math.floor(reach * random() ** 2))}`);
    const opType = ["Conv", "Relu", "Add", "Concat", "MaxPool"][Math.floor(5 * random())]!;
    nodes.push({
      id: `n${i}`,
      name: `stage${Math.floor(i / 40)}/n${i}`,
      opType,
      inputs: [...inputs],
      outputs: [`v${i}`],
      ...(opType === "Conv"
        ? { weightBytes: Math.floor(10 ** (3 + 3 * random())), bits: 8, sqnrDb: 50 * random() }
        : {}),
    });
  }
  return { nodes, inputs: [], outputs: [`v${size - 1}`] };
}
