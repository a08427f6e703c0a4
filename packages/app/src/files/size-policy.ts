import { formatBytes } from "../format.js";
import type { Problem } from "../problem.js";
import type { ModelSource } from "../protocol.js";
import { ask } from "../state/question.js";
import { problem } from "../state/store.js";

/** Up to here a model is opened as any other. */
const NORMAL_BYTES = 500e6;
/** Beyond it the page would run out of memory: a model and its quantized copy must both fit below what a tab can have. */
export const MOST_BYTES = 1.5e9;

/** What is done with a model of this size. */
export function sizePolicy(bytes: number): "open" | "ask" | "refuse" {
  return bytes <= NORMAL_BYTES ? "open" : bytes <= MOST_BYTES ? "ask" : "refuse";
}

/** The command that does without the page what the page would have done. */
function command(name: string): string {
  return `equant compress ${/^[\w.-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`} --data images/ -o out.onnx`;
}

export function tooLarge(name: string, bytes: number): Problem {
  return {
    code: "E6001",
    what: "This model is too large for a page.",
    where: `${name}, ${formatBytes(bytes)}`,
    why: `A page opens models up to ${formatBytes(MOST_BYTES)}: the model and its quantized copy must fit into what a tab can have.`,
    now: `Run on this machine, which streams the weights: ${command(name)}`,
  };
}

/** Bytes that opening a model may read: its file, and the data files dropped with it. */
export function modelBytes({ main, files }: ModelSource): number {
  return files.reduce((sum, { path, blob }) => sum + (path === main || isData(path) ? blob.size : 0), 0);
}

/** Names of files that may hold weights: exporters write `.data`, `.bin`, `.weight`, or none at all. */
function isData(path: string): boolean {
  return !/\.(onnx|png|jpe?g|webp|gif|bmp|avif|npy|npz|zip|gz|csv|json|txt|md)$/i.test(path);
}

/** Whether a model may be opened: asks where it is large, says the command where it is too large. */
export async function permitSize(source: ModelSource): Promise<boolean> {
  const bytes = modelBytes(source);
  const policy = sizePolicy(bytes);
  if (policy === "refuse") problem.value = tooLarge(source.name, bytes);
  if (policy !== "ask") return policy === "open";
  return ask({
    title: `Open ${source.name}, ${formatBytes(bytes)}?`,
    text: `The page will need about ${formatBytes(2 * bytes)} of memory, and every step will take a while; if the browser stops the page, the session opens again. Without such limits: ${command(source.name)}`,
    yes: "Open it here",
    no: "Leave it",
  });
}
