import { fixedBatchOf, singleInput } from "../calibrate/index.js";
import { DataError, ModelError, RunError } from "../errors.js";
import { type Model, requiredInputs, sizeOf } from "../graph/index.js";
import { float16ToFloat32 } from "../math/index.js";
import type { HostTensor, Session } from "../runtime/index.js";

/** Output values of some samples, sample after sample. */
export interface SampleOutputs {
  readonly values: ArrayLike<number>;
  /** Shape of one sample's output. */
  readonly dims: readonly number[];
  /** Values of one sample. */
  readonly size: number;
}

/** How a model is fed with samples: its input, its output, and the batch size it insists on. */
export interface ModelUnderTest {
  readonly model: Model;
  /** `baseline` or `candidate`, for messages. */
  readonly role: string;
  readonly input: string;
  /** Samples a run must have; undefined where any number will do. */
  readonly fixedBatch: number | undefined;
  readonly output: string;
}

/**
 * Finds input and output of a model.
 * @throws {RunError} E4001 several inputs. @throws {ModelError} E3003 no output; E4001 an input that is not float32.
 * @throws {DataError} E5003 the samples do not fit the input.
 */
export function modelUnderTest(
  model: Model,
  role: string,
  sampleShape: readonly number[],
  output?: string,
): ModelUnderTest {
  const input = singleInput(model);
  const info = requiredInputs(model.graph).find(({ name }) => name === input)!;
  if (info.dtype !== undefined && info.dtype !== "float32") {
    throw new ModelError("E4001", `validate: input "${input}" of the ${role} is ${info.dtype}, expected float32`, {
      tensor: input,
      actual: info.dtype,
      expected: "float32",
      hint: "export the model with a float32 input; quantized models begin with QuantizeLinear",
    });
  }
  const { shape } = info;
  const fits =
    !shape ||
    (shape.length === sampleShape.length + 1 &&
      shape.slice(1).every((dim, i) => typeof dim !== "number" || dim < 1 || dim === sampleShape[i]));
  if (!fits) {
    const written = `[${shape.slice(1).join(", ")}]`;
    throw new DataError(
      "E5003",
      `validate: the samples are [${sampleShape.join(", ")}], the ${role} takes ${written}`,
      {
        tensor: input,
        expected: shape.slice(1),
        actual: [...sampleShape],
        hint: "both models must take the same input; check that they belong together",
      },
    );
  }
  const names = model.graph.outputs.map(({ name }) => name);
  const chosen = output !== undefined && names.includes(output) ? output : names[0];
  if (chosen === undefined) throw new ModelError("E3003", `validate: the ${role} has no output`, {});
  return { model, role, input, fixedBatch: fixedBatchOf(model), output: chosen };
}

/** Runs `count` samples through an open session, in portions where the model insists on a batch size. */
export async function runSamples(
  session: Session,
  { role, input, output, fixedBatch }: ModelUnderTest,
  data: Float32Array,
  dims: readonly number[],
  signal: AbortSignal | undefined,
): Promise<SampleOutputs> {
  const [count = 0, ...sampleDims] = dims;
  const run = async (part: Float32Array, samples: number): Promise<HostTensor> => {
    const feed: HostTensor = { dtype: "float32", dims: [samples, ...sampleDims], data: part };
    const fetched = await session.run({ [input]: feed }, { fetches: [output], signal });
    return fetched[output]!;
  };
  if (fixedBatch === undefined || fixedBatch === count) return asSamples(await run(data, count), count, output, role);

  const size = sizeOf(sampleDims);
  let all: Float64Array | undefined;
  let shape: SampleOutputs | undefined;
  for (let first = 0; first < count; first += fixedBatch) {
    const samples = Math.min(fixedBatch, count - first);
    // A last portion that is too small is filled up with zeros, whose outputs are thrown away.
    const part = new Float32Array(fixedBatch * size);
    part.set(data.subarray(first * size, (first + samples) * size));
    shape = asSamples(await run(part, fixedBatch), fixedBatch, output, role);
    all ??= new Float64Array(count * shape.size);
    for (let i = 0; i < samples * shape.size; i++) all[first * shape.size + i] = shape.values[i]!;
  }
  return { ...shape!, values: all! };
}

function asSamples({ dtype, dims, data }: HostTensor, count: number, output: string, role: string): SampleOutputs {
  const values =
    dtype === "float16"
      ? float16ToFloat32(data as Uint16Array)
      : data instanceof BigInt64Array || data instanceof BigUint64Array
        ? Float64Array.from(data, Number)
        : data;
  const perSample = dims[0] === count ? dims.slice(1) : count === 1 ? dims : undefined;
  if (!perSample) {
    throw new RunError("E4001", `validate: output "${output}" of the ${role} has no batch dimension`, {
      tensor: output,
      expected: `[${count}, …]`,
      actual: [...dims],
      hint: "the first dimension of input and output must count the samples; or validate with --batch 1",
    });
  }
  return { values, dims: perSample, size: sizeOf(perSample) };
}
