import { feedbackOf, roundWithFeedback } from "../math/feedback.js";
import { type BlockIntegers, type BlockOptions, blockIntegers, roundTo } from "./block-integers.js";
import type { OutputRows } from "./output-rows.js";

/** What is added to the diagonal of XᵀX, as a share of its mean. */
const RIDGE = 0.01;

/**
 * Rounds weights with error feedback (Frantar et al. 2023, GPTQ): what rounding one weight does to the layer's output is made up for by
 * those not yet rounded. The grids of the blocks are those that lose least by the power of each input.
 *
 * @param gram XᵀX of the layer's inputs, [inputs, inputs].
 */
export function gptqIntegers(rows: OutputRows, options: BlockOptions, gram: Float64Array): BlockIntegers {
  const { outputs, inputs, data } = rows;
  const { width, bits } = options;
  const power = Float64Array.from({ length: inputs }, (_, i) => gram[i * inputs + i]!);
  const result = blockIntegers(rows, options, power);
  const feedback = feedbackOf(gram, inputs, RIDGE);
  const top = 2 ** bits - 1;
  for (let output = 0; output < outputs; output++) {
    const base = output * inputs;
    roundWithFeedback(feedback, data.subarray(base, base + inputs), (input, value) => {
      const block = output * result.blocks + Math.floor(input / width);
      const grid = { scale: result.scales[block]!, zeroPoint: result.zeroPoints[block]! };
      const integer = roundTo(value, grid, top);
      result.integers[base + input] = integer;
      return grid.scale * (integer - grid.zeroPoint);
    });
  }
  return result;
}
