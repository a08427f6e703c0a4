import type { OutputError } from "../analyze/output-error.js";
import { type Graph, type Model, subgraphsOf, type Tensor } from "../graph/index.js";
import { factsOf } from "../operators/facts.js";

/** What a person should know about a file at the moment it is made. */
export interface ResultFinding {
  readonly code: "W4003" | "W6002" | "W6003" | "W6004";
  readonly message: string;
}

/** What was measured of a result. */
export interface ResultFigures {
  readonly model: Model;
  /** Bytes of the input file and of the file made from it. */
  readonly bytes: { readonly before: number; readonly after: number };
  readonly error: OutputError;
  /** Time of the result over that of the input, both measured in pairs; undefined where it was not measured. */
  readonly timeRatio?: number | undefined;
}

/** An output below this is noisy enough to be seen. */
const LOW_DB = 20;
/** Ratios of times up to this are noise of the machine. */
const SLOWER = 1.1;
/** Kinds of layers whose float weights are less than this share of all are not worth a word. */
const WORTH_SAYING = 0.05;

/**
 * Nothing gets worse in silence: a result that is larger or slower than its input, noisy, or in which kinds of layers kept float weights,
 * says so with the cause and what to do.
 */
export function resultFindings({ model, bytes, error, timeRatio }: ResultFigures): ResultFinding[] {
  const findings: ResultFinding[] = [];
  const kept = floatWeights(model);
  for (const { where, bytes: size, share } of kept) {
    const message = `${where}: ${kilobytes(size)} of weights stay float (${percent(share)} of all weights of the input): no integer form of it is written`;
    findings.push({ code: "W4003", message });
  }
  if (bytes.after > bytes.before) {
    const cause = kept.length > 0 ? "most weights stay float" : "Q/DQ nodes and scales cost more than integers save";
    const message = `larger than its input (${kilobytes(bytes.before)} → ${kilobytes(bytes.after)}): ${cause}; keep the input, or quantize fewer nodes (--exclude-type)`;
    findings.push({ code: "W6002", message });
  }
  if (timeRatio !== undefined && timeRatio > SLOWER) {
    const message = `slower than its input on this machine: ${timeRatio.toFixed(2)} × its time at batch 1, measured in pairs; equant validate names what runs in float between integers`;
    findings.push({ code: "W6003", message });
  }
  if (error.sqnrDb < LOW_DB) {
    const worst = error.outputs.find(({ kind, sqnrDb }) => kind !== "exact" && sqnrDb === error.sqnrDb);
    const which = worst && error.outputs.length > 1 ? ` of "${worst.name}"` : "";
    const message = `output SQNR${which} is ${error.sqnrDb.toFixed(1)} dB, under ${LOW_DB} dB: equant debug names the layers that cost it`;
    findings.push({ code: "W6004", message });
  }
  return findings;
}

/** Float weights that a result kept, by the kind of operator that holds them. */
export interface FloatWeights {
  /** An operator's type, or `the body of an If` … */
  readonly where: string;
  readonly bytes: number;
  /** Of all weights as the input has them, in float; 0–1. */
  readonly share: number;
}

/** Operators with weights of their own that have no integer form here; and bodies, in which nothing is quantized. */
function floatWeights(model: Model): FloatWeights[] {
  const sizes = new Map<string, number>();
  let total = 0;
  const visit = (graph: Graph, body: string | undefined) => {
    for (const node of graph.nodes) {
      for (const inner of subgraphsOf(node)) visit(inner, body ?? `the body of ${article(node.opType)}`);
      for (const input of new Set(node.inputs)) {
        const size = weightBytes(graph.initializers.get(input));
        total += size.float;
        const where = body ?? node.opType;
        // Single layers that stay in float are named one by one, with their reasons.
        if (!size.kept || (body === undefined && ["layer", "constant"].includes(factsOf(node)?.kind ?? ""))) continue;
        sizes.set(where, (sizes.get(where) ?? 0) + size.float);
      }
    }
  };
  visit(model.graph, undefined);
  return [...sizes]
    .map(([where, bytes]) => ({ where, bytes, share: bytes / total }))
    .filter(({ share }) => share >= WORTH_SAYING)
    .sort((a, b) => b.bytes - a.bytes);
}

/** Bytes that a tensor of two or more dimensions takes in float, and whether it is float. */
function weightBytes(tensor: Tensor | undefined): { float: number; kept: boolean } {
  if (!tensor || tensor.dims.filter((size) => size > 1).length < 2) return { float: 0, kept: false };
  const kept = tensor.dtype === "float32" || tensor.dtype === "float16";
  const integer = tensor.dtype === "int8" || tensor.dtype === "uint8" || tensor.dtype === "int16";
  return { float: kept || integer ? 4 * tensor.size : 0, kept };
}

const article = (opType: string) => `${/^[AEIO]/.test(opType) ? "an" : "a"} ${opType}`;
const kilobytes = (bytes: number) =>
  bytes < 1e6 ? `${(bytes / 1000).toFixed(2)} kB` : `${(bytes / 1e6).toFixed(2)} MB`;
const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
