import { type Dataset, GraphBuilder, type HostTensor, type Model, RunError, type Runner } from "../../src/lab.js";

/** A runner whose models answer from tables: sample i, which is the number i, gets row i. */
export function tableRunner(
  tables: ReadonlyMap<Model, { rows: readonly (readonly number[])[]; dims?: number[] }>,
): Runner {
  const runner: Runner = {
    backend: "node",
    options: {},
    async open(model) {
      const table = tables.get(model as Model);
      // Copies made for observing shapes are not in the tables, as a graph that the runtime refuses.
      if (!table) throw new RunError("E6003", "not in the tables");
      return {
        inputNames: ["x"],
        outputNames: ["y"],
        async run({ x }): Promise<Record<string, HostTensor>> {
          const rows = Array.from(x!.data as Float32Array, (index) => table.rows[index]!);
          const width = rows[0]!.length;
          const data = new Float32Array(rows.length * width);
          rows.forEach((row, i) => {
            data.set(row, i * width);
          });
          return { y: { dtype: "float32", dims: [rows.length, ...(table.dims ?? [width])], data } };
        },
        dispose: async () => {},
      };
    },
    async using(model, use, options) {
      const session = await runner.open(model, options);
      try {
        return await use(session);
      } finally {
        await session.dispose();
      }
    },
  };
  return runner;
}

/** A model for {@link tableRunner}: x [N, 1] → y. */
export function tableModel(): Model {
  const { model, builder } = GraphBuilder.model("table");
  builder.output(builder.node("Identity", [builder.input("x", ["N", 1])], {}, { name: "identity" }));
  model.graph.nodes[0]!.outputs[0] = "y";
  model.graph.outputs[0] = { name: "y", dtype: "float32", shape: undefined };
  return model;
}

/** Samples 0, 1, 2 … of shape [1], labelled when labels are given. */
export function countingDataset(length: number, labels?: readonly number[], classNames?: readonly string[]): Dataset {
  return {
    length,
    shape: [1],
    id: (index) => `sample-${index}`,
    fill(index, out, offset) {
      out[offset] = index;
    },
    ...(labels && { label: (index: number) => labels[index]! }),
    ...(classNames && { classNames }),
  };
}
