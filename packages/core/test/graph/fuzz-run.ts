import { readFileSync } from "node:fs";
import { mutated } from "../../../../fuzz/mutate.js";
import { CompressionError } from "../../src/errors.js";
import {
  assertValid,
  cloneModel,
  indexGraph,
  type Model,
  NameAllocator,
  parseModel,
  removeDead,
  requiredInputs,
  serializeModel,
  sortNodes,
  tensorsOf,
} from "../../src/graph/index.js";
import { assertFiniteWeights } from "../../src/operators/finite-weights.js";
import { forEachWeight, linearLayers } from "../../src/operators/index.js";

/** Run by fuzz.test.ts in a process of its own, whose memory and time are the measurement. */

export interface FuzzSettings {
  readonly files: readonly string[];
  readonly cases: number;
  readonly seed: number;
}

export interface FuzzReport {
  readonly cases: number;
  /** How many files were accepted, and how many refused by code. */
  readonly outcomes: Record<string, number>;
  readonly slowestMs: number;
  readonly slowestCase: number;
  /** Growth of the process's peak memory over what it had before the first case. */
  readonly grownBytes: number;
  readonly largestFile: number;
  /** Cases that threw something else than a typed error. */
  readonly failures: readonly { index: number; kinds: readonly string[]; stack: string }[];
}

/** Everything that is done with any model. */
function use(model: Model): void {
  for (const step of [
    () => assertValid(model),
    () => assertFiniteWeights(model),
    () => {
      for (const { tensor } of tensorsOf(model)) if (tensor.dtype !== "string") tensor.bytes();
    },
    () => {
      for (const layer of linearLayers(model.graph)) forEachWeight(layer, () => undefined);
    },
    () => indexGraph(model.graph),
    () => requiredInputs(model.graph),
    () => new NameAllocator(model.graph).allocate("x"),
    () => serializeModel(model),
    () => {
      const copy = cloneModel(model);
      sortNodes(copy.graph);
      removeDead(copy.graph);
      parseModel(serializeModel(copy));
    },
  ]) {
    try {
      step();
    } catch (error) {
      if (!(error instanceof CompressionError)) throw error;
    }
  }
}

const settings = JSON.parse(process.argv[2]!) as FuzzSettings;
const files = settings.files.map((path) => new Uint8Array(readFileSync(path)));
const external = (_location: string, _offset: number, length: number) => new Uint8Array(Math.min(length, 1024));
for (const bytes of files) use(parseModel(bytes, { external }));

const memoryBefore = process.resourceUsage().maxRSS * 1024;
const outcomes: Record<string, number> = {};
const failures: { index: number; kinds: string[]; stack: string }[] = [];
let [slowestMs, slowestCase, largestFile] = [0, -1, 0];
for (let index = 0; index < settings.cases; index++) {
  const { bytes, kinds } = mutated(files, settings.seed, index);
  largestFile = Math.max(largestFile, bytes.length);
  const before = process.cpuUsage();
  let outcome = "accepted";
  try {
    const model = parseModel(bytes, { external });
    assertValid(model);
    use(model);
  } catch (error) {
    if (error instanceof CompressionError) outcome = error.code;
    else {
      outcome = "failed";
      failures.push({ index, kinds, stack: error instanceof Error ? (error.stack ?? "") : String(error) });
    }
  }
  const { user, system } = process.cpuUsage(before);
  if ((user + system) / 1000 > slowestMs) [slowestMs, slowestCase] = [(user + system) / 1000, index];
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
}
const grownBytes = process.resourceUsage().maxRSS * 1024 - memoryBefore;
const report: FuzzReport = {
  cases: settings.cases,
  outcomes,
  slowestMs,
  slowestCase,
  grownBytes,
  largestFile,
  failures,
};
process.stdout.write(JSON.stringify(report));
