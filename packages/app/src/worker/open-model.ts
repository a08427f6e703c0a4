import {
  type ExternalReader,
  inspectModel,
  type Model,
  ModelError,
  parseModel,
  requiredInputs,
  runnableForm,
  tensorsOf,
  type WeightRanges,
} from "@equant/core/lab";
import { floatWeights } from "@equant/report";
import type { LayerSummary, ModelSource, ModelSummary, PlacedFile } from "../protocol.js";
import { sha256 } from "./hash.js";
import { weightFactsOf } from "./weights.js";

/** A model in the worker. */
export interface OpenModel {
  readonly name: string;
  readonly sha256: string;
  readonly bytes: Uint8Array;
  readonly fileBytes: number;
  readonly model: Model;
}

/** FileReaderSync exists in workers only, and the page's types do not know it. */
declare const FileReaderSync: new () => { readAsArrayBuffer(blob: Blob): ArrayBuffer };

export async function openModel({ main, name, files }: ModelSource): Promise<OpenModel> {
  const file = files.find(({ path }) => path === main)!;
  const bytes = new Uint8Array(await file.blob.arrayBuffer());
  const model = runnableForm(parseModel(bytes, { file: name, external: reader(files) }));
  let external = 0;
  for (const { tensor } of tensorsOf(model)) {
    if (!tensor.external) continue;
    external += tensor.external.length ?? 0;
    // Missing data are told now, not in the middle of a run.
    find(files, tensor.external.location);
  }
  return { name, sha256: await sha256(bytes), bytes, fileBytes: bytes.length + external, model };
}

function reader(files: readonly PlacedFile[]): ExternalReader {
  return (location, offset, length) => {
    const { blob } = find(files, location);
    return new Uint8Array(new FileReaderSync().readAsArrayBuffer(blob.slice(offset, offset + length)));
  };
}

/** A dropped file has no folder to look in: its name must be the one in the model. */
function find(files: readonly PlacedFile[], location: string): PlacedFile {
  const name = location.replace(/^\.\//, "");
  const found = files.find(({ path }) => path === name || path.endsWith(`/${name}`));
  if (found) return found;
  throw new ModelError("E3005", `model: it keeps weights in ${location}, which is missing`, {
    file: location,
    hint: `drop ${location} together with the model`,
  });
}

/** Everything the page shows of a model without running it. */
export async function summarizeModel(
  { name, sha256, fileBytes, model }: OpenModel,
  ranges: WeightRanges,
): Promise<ModelSummary> {
  const inspect = await inspectModel(model, { bytes: fileBytes, ranges });
  const facts = weightFactsOf(ranges.folded);
  const nodes = new Map(inspect.nodes.map((node) => [node.name, node]));
  const layers = inspect.weights.flatMap((range): LayerSummary[] => {
    const own = facts.get(range.name);
    if (!own) return [];
    const { name, opType, shape, spread, deadChannels, lostChannels, min, max } = range;
    const { parameters = 0, bytes = 0, macs = null } = nodes.get(name) ?? {};
    const { weightDb } = own;
    return [{ name, opType, shape, spread, deadChannels, lostChannels, min, max, weightDb, parameters, bytes, macs }];
  });
  const msb = [...facts.values()].map((own) => own.msb);
  const [worst] = [...layers].sort((a, b) => a.weightDb.perTensor - b.weightDb.perTensor);
  const weights = worst ? floatWeights(ranges.folded, undefined, [worst.name]) : [];
  return { name, sha256, bytes: fileBytes, inspect, layers, weights, msb, inputShape: inputShape(model) };
}

/** Sizes of one sample; an open one is 0. */
export function inputShape(model: Model): number[] {
  const shape = requiredInputs(model.graph)[0]?.shape ?? [];
  return shape.slice(1).map((dim) => (typeof dim === "number" && dim > 0 ? dim : 0));
}
