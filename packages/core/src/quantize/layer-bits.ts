import { OptionsError } from "../errors.js";
import type { QuantizeOptions } from "./definition.js";

/** What is different in some layers. */
export interface LayerSettings {
  /** Name or glob pattern of nodes. */
  readonly match: string;
  /** Bits of weights, 2–16. */
  readonly weightBits?: number;
  /** Bits of what the layer gives, 2–16; above 8 it is stored in 16 bits, which ONNX Runtime's integer kernels do not read. */
  readonly activationBits?: number;
  readonly granularity?: NonNullable<QuantizeOptions["granularity"]>;
}

const FORM = /^(.+)=(\d+)?(?:\/(\d+))?(?::(per-tensor|per-channel))?$/;

/** `conv1*=4/8:per-channel`: glob, bits of weights, of activations, granularity. @throws {OptionsError} E2004 the form, E2002 bits. */
export function readLayerBits(text: string): LayerSettings {
  const [, match, weights, activations, granularity] = FORM.exec(text) ?? [];
  if (match === undefined || (weights ?? activations ?? granularity) === undefined) {
    throw new OptionsError("E2004", `quantize: layerBits '${text}' is not of the form glob=weights/activations`, {
      actual: text,
      hint: "for example 'conv1*=4/8:per-channel', or 'fc=16'",
    });
  }
  return {
    match,
    ...(weights !== undefined && { weightBits: bitsOf(text, weights) }),
    ...(activations !== undefined && { activationBits: bitsOf(text, activations) }),
    ...(granularity !== undefined && { granularity: granularity as NonNullable<LayerSettings["granularity"]> }),
  };
}

function bitsOf(text: string, digits: string): number {
  const bits = Number(digits);
  if (bits >= 2 && bits <= 16) return bits;
  throw new OptionsError("E2002", `quantize: layerBits '${text}': ${bits} is not in 2–16`, {
    actual: bits,
    expected: "2–16",
  });
}
