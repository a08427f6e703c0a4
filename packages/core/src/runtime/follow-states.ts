import type { Dataset, Sample } from "../data/index.js";
import { DataError, OptionsError } from "../errors.js";
import { type HostTensor, type Model, signatureOf } from "../graph/index.js";
import { requireRunner, type TransformContext } from "./transform.js";

/**
 * The same samples with states that go on: an output of one sample is the input of the next one of its sequence, which begins with the
 * sample's own state. `feedBack` names the input by the output. The model is run over all samples once, in order; whatever is measured
 * afterwards, of whatever network, is measured at these states.
 *
 * @throws {OptionsError} E2103 names that the model does not have. @throws {DataError} E5003 a state that comes back in another shape, or
 * samples that are no records. @throws {PreconditionError} E4005 no runner.
 */
export async function followStates(
  model: Model,
  dataset: Dataset,
  feedBack: Readonly<Record<string, string>>,
  context: TransformContext,
): Promise<Dataset> {
  const { inputs, outputs } = signatureOf(model);
  const fetches = Object.keys(feedBack);
  requireNames(fetches, outputs, "output");
  requireNames(Object.values(feedBack), inputs, "input");
  const { record } = dataset;
  if (!record) {
    const hint = "give records: an .npz with one array an input, JSON lines, or sound";
    throw new DataError("E5003", "feed back: one array a sample has no states", { hint });
  }
  const states: Sample[] = [];
  await requireRunner(context, "feed back").using(
    model,
    async (session) => {
      let sequence: string | undefined;
      let next: Record<string, HostTensor> = {};
      for (let index = 0; index < dataset.length; index++) {
        const own = await record.call(dataset, index);
        const follows = index > 0 && dataset.sequence?.(index) === sequence;
        sequence = dataset.sequence?.(index);
        const state = Object.fromEntries(
          Object.values(feedBack).map((input) => [input, follows ? next[input]! : own[input]!]),
        );
        states.push(state);
        const results = await session.run({ ...own, ...state }, { fetches, signal: context.signal });
        next = {};
        for (const [output, input] of Object.entries(feedBack))
          next[input] = requireAlike(results[output]!, own[input]!, output, input);
      }
    },
    { purpose: "feed back" },
  );
  return {
    ...dataset,
    // What the states are depends on the network, and is known here alone.
    source: undefined,
    record: async (index) => ({ ...(await record.call(dataset, index)), ...states[index]! }),
  };
}

function requireNames(names: readonly string[], known: readonly { readonly name: string }[], what: string): void {
  for (const name of names) {
    if (known.some((own) => own.name === name)) continue;
    const expected = known.map((own) => own.name);
    const hint = `${what}s are ${expected.join(", ")}`;
    throw new OptionsError("E2103", `feed back: the model has no ${what} "${name}"`, { actual: name, expected, hint });
  }
}

function requireAlike(result: HostTensor, state: HostTensor, output: string, input: string): HostTensor {
  if (result.dtype === state.dtype && result.dims.join() === state.dims.join()) return result;
  const written = ({ dtype, dims }: HostTensor) => `${dtype} [${dims.join(", ")}]`;
  throw new DataError(
    "E5003",
    `feed back: output "${output}" is ${written(result)}, input "${input}" ${written(state)}`,
    {
      tensor: output,
      expected: [...state.dims],
      actual: [...result.dims],
      hint: "name the output that the model gives as the next state",
    },
  );
}
