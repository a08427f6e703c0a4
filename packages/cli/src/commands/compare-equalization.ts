import type { Dataset, Model, QuantizeOptions, SqnrCurves, SqnrReport, TransformContext } from "@equant/core/lab";
import type { CommandContext } from "../frame/context.js";

const METHODS = ["one-step", "two-step", "dfq", "optimal"] as const;

/**
 * The network before and after each equalization method: local ratios of every layer (Fig. 6 of Meller et al. 2019) and
 * what optimal equalization of weights or activations alone could reach (Fig. 5). `before` is the report of the network as it is.
 */
export async function compareEqualization(
  context: CommandContext,
  model: Model,
  settings: QuantizeOptions,
  dataset: Dataset,
  transform: TransformContext,
  before: SqnrReport,
): Promise<SqnrCurves> {
  const core = await import("@equant/core/lab");
  const shapes = await core.observeShapes(model, core.zeroFeeds(model), { runner: await context.runner() });
  const withData = { ...transform, data: dataset };
  const input = await core.equalizationInput(model, shapes, settings, withData);
  const reports: Record<string, SqnrReport> = { before };
  for (const method of METHODS) {
    const equalized = core.cloneModel(model);
    await core.equalize({ method, keep: "always", ...input })(equalized, transform);
    reports[method] = await context.phase(method, () =>
      core.measureSqnr(equalized, { plan: settings, cumulative: false }, withData),
    );
  }
  return core.compareSqnr(reports);
}

/** One row a layer: weights and activations before, after each method, and at the bound of optimal equalization. */
export function comparisonTable(context: CommandContext, curves: SqnrCurves): string {
  const db = (value: number | null | undefined) => (value === null || value === undefined ? "-" : value.toFixed(1));
  const part = (
    title: string,
    of: (state: SqnrCurves["states"][number]) => readonly (number | null)[],
    bound: readonly (number | null)[],
  ) =>
    context.table<number>(
      [
        { title, cell: (at) => curves.layers[at]!, align: "left" },
        ...curves.states.map((state) => ({ title: state.state, cell: (at: number) => db(of(state)[at]) })),
        {
          title: "range-only before",
          cell: (at) =>
            db((title === "weights" ? curves.states[0]!.weightUniform : curves.states[0]!.activationUniform)[at]),
        },
        { title: "OE bound", cell: (at) => db(bound[at]) },
      ],
      curves.layers.map((_, at) => at),
    );
  return (
    part("weights", ({ weights }) => weights, curves.optimal.weights) +
    part("activations", ({ activations }) => activations, curves.optimal.activations)
  );
}
