import { DataError, RunError } from "@equant/core/errors";
import type { HostTensor, SessionOptions, SignatureInput, Sweep } from "@equant/core/lab";
import { z } from "zod";
import { getByHash, hashOf, putByHash, type Store } from "./store.js";
import { decodeRecords, encodeRecords } from "./tensor-file.js";

/** Changes whenever what a worker does with a job changes. */
const SHARD_JOB_SCHEMA = "equant.shard-job/1";

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.number().int().nonnegative();

const shardJobSchema = z.strictObject({
  schema: z.literal(SHARD_JOB_SCHEMA),
  /** Version of ONNX Runtime that the results are of: another one may round otherwise. */
  runtime: z.string(),
  /** What it is for, for errors. */
  purpose: z.string(),
  model: hash,
  session: z.strictObject({
    optimization: z.enum(["all", "basic", "disabled"]).optional(),
    disabledOptimizers: z.array(z.string()).optional(),
    spinning: z.boolean().optional(),
  }),
  /** How the data is opened, and what it must then be. */
  data: hash,
  source: z.string(),
  indices: z.array(count),
  inputs: z.array(z.looseObject({ name: z.string() })),
  fixed: count.optional(),
  batchSize: count.min(1),
  fetches: z.array(z.string()).optional(),
  constants: hash.optional(),
});

/** The part of a sweep that one worker does, as it lies in the store; everything it depends on is named in it by its hash. */
export type ShardJob = z.infer<typeof shardJobSchema>;

/** What all shards of one session have in common. */
export type SessionPart = Pick<ShardJob, "runtime" | "purpose" | "model" | "session" | "data">;

/** Session options that change what comes out; the others belong to the machine. */
export function sessionPart({ optimization, disabledOptimizers, spinning }: SessionOptions): ShardJob["session"] {
  return {
    ...(optimization && { optimization }),
    ...(disabledOptimizers && { disabledOptimizers: [...disabledOptimizers] }),
    ...(spinning !== undefined && { spinning }),
  };
}

/** Samples a job has at least: below, a worker would wait for its queue longer than it works. */
const SAMPLES_A_JOB = 32;

/** The jobs of a sweep, in order. A batch never lies in two of them, so what they give is what one process gives. */
export async function shardJobs(
  store: Store,
  common: SessionPart,
  { source, indices, inputs, fixed, batchSize, fetches, constants }: Sweep,
): Promise<{ hash: string; first: number }[]> {
  const samples = Math.ceil(SAMPLES_A_JOB / batchSize) * batchSize;
  const fed =
    constants && Object.keys(constants).length > 0
      ? await putByHash(store, "tensors", encodeRecords([{ meta: {}, tensors: constants }]))
      : undefined;
  const jobs: { hash: string; first: number }[] = [];
  for (let first = 0; first < indices.length; first += samples) {
    const job: ShardJob = {
      schema: SHARD_JOB_SCHEMA,
      ...common,
      source,
      indices: indices.slice(first, first + samples),
      inputs: inputs as unknown as ShardJob["inputs"],
      ...(fixed !== undefined && { fixed }),
      batchSize,
      ...(fetches && { fetches: [...fetches] }),
      ...(fed !== undefined && { constants: fed }),
    };
    jobs.push({ hash: await putByHash(store, "jobs", new TextEncoder().encode(JSON.stringify(job))), first });
  }
  return jobs;
}

/**
 * Reads a job. @throws {DataError} E5002 it is none of this version. @throws {RunError} E6004 another version of ONNX Runtime asks.
 */
export async function readJob(store: Store, name: string, runtime: string): Promise<ShardJob> {
  const text = new TextDecoder().decode(await getByHash(store, { kind: "jobs", hash: name }));
  const result = shardJobSchema.safeParse(JSON.parse(text));
  if (!result.success) {
    const issue = result.error.issues[0]!;
    throw new DataError("E5002", `job ${name.slice(0, 12)}: ${issue.path.join(".")}: ${issue.message}`, {
      expected: SHARD_JOB_SCHEMA,
      hint: "producer and workers must be of one version of equant",
    });
  }
  if (result.data.runtime === runtime) return result.data;
  throw new RunError("E6004", `the producer runs ONNX Runtime ${result.data.runtime}, this worker ${runtime}`, {
    expected: result.data.runtime,
    actual: runtime,
    hint: "install the same version of onnxruntime-node everywhere: another one may round otherwise",
  });
}

/** The sweep of a job. */
export async function sweepOf(store: Store, job: ShardJob): Promise<Sweep> {
  const { source, indices, inputs, fixed, batchSize, fetches, constants } = job;
  let tensors: Readonly<Record<string, HostTensor>> | undefined;
  if (constants !== undefined) {
    tensors = decodeRecords(await getByHash(store, { kind: "tensors", hash: constants }), constants)[0]?.tensors;
  }
  return {
    source,
    indices,
    inputs: inputs as unknown as SignatureInput[],
    fixed,
    batchSize,
    fetches,
    constants: tensors,
  };
}

/** Where the results of a job lie. */
export const resultKey = (job: string) => ({ kind: "results", hash: hashOf(`result of ${job}`) }) as const;
