import { OptionsError } from "../errors.js";
import { forEachWeight, type LinearLayer } from "../operators/index.js";

/** `n` of every `m` consecutive weights along the input channels are kept. */
export interface KeepPattern {
  readonly n: number;
  readonly m: number;
}

/** `2:4` as a pattern. @throws {OptionsError} E2004 when it is none. */
export function parsePattern(text: string): KeepPattern {
  const match = /^(\d{1,3}):(\d{1,3})$/.exec(text);
  const [n, m] = [Number(match?.[1]), Number(match?.[2])];
  if (!match || n < 1 || n >= m) {
    throw new OptionsError(
      "E2004",
      `prune: granularity '${text}' is not one of weights, channels, or N:M such as 2:4`,
      {
        actual: text,
        expected: ["weights", "channels", "2:4"],
      },
    );
  }
  return { n, m };
}

/** Why a layer cannot have the pattern, or undefined. */
export function patternObstacle(layer: LinearLayer, { m }: KeepPattern): string | undefined {
  const inputs = inputsPerGroup(layer);
  if (inputs % m === 0) return undefined;
  return `${inputs} input channels${layer.group > 1 ? " a group" : ""} are no multiple of ${m}`;
}

function inputsPerGroup({ inChannels, group }: LinearLayer): number {
  return inChannels / group;
}

/**
 * Mask that removes the `removed` lowest scores of every m consecutive input channels, for each output channel and
 * kernel position by itself; of equal scores the later one goes. Sparsity is exactly removed/m.
 */
export function patternMask(layer: LinearLayer, scores: Float64Array, m: number, removed: number): Float32Array {
  const mask = new Float32Array(scores.length).fill(1);
  if (removed === 0) return mask;
  const perGroup = inputsPerGroup(layer);
  const convolution = layer.convolves;
  // Kernel positions of a convolution, matrices of a stack otherwise.
  const positions = convolution ? layer.kernelArea : scores.length / (layer.inChannels * layer.outChannels);
  const members = new Int32Array(scores.length);
  const filled = new Uint8Array(scores.length / m);
  forEachWeight(layer, (flat, out, input) => {
    const position = convolution ? flat % layer.kernelArea : Math.floor(flat / (layer.inChannels * layer.outChannels));
    const block = (out * (perGroup / m) + Math.floor((input % perGroup) / m)) * positions + position;
    members[block * m + filled[block]!++] = flat;
  });
  for (let start = 0; start < members.length; start += m) {
    const block = Array.from(members.subarray(start, start + m), (flat, at) => ({ flat, at }));
    block.sort((a, b) => scores[a.flat]! - scores[b.flat]! || b.at - a.at);
    for (const { flat } of block.slice(0, removed)) mask[flat] = 0;
  }
  return mask;
}
