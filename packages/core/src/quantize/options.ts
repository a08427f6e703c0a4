import { OptionsError, requireOneOf } from "../errors.js";
import { parseChooser } from "../math/index.js";
import { defaultsOf, readOptions } from "../option.js";
import { QUANTIZE_OPTIONS, type QuantizeOptions, renewQuantizeOptions } from "./definition.js";
import type { Exclusions } from "./exclude.js";
import { type LayerSettings, readLayerBits } from "./layer-bits.js";
import { type TargetSpec, targetSpec } from "./targets.js";

/** What {@link QuantizeOptions} come to: the target's where nothing was given. */
export interface ResolvedQuantizeOptions
  extends Required<Omit<QuantizeOptions, "weights" | "exclude" | "excludeType" | "excludeBetween" | "layerBits">> {
  readonly spec: TargetSpec;
  /** Symmetric weights use −(2^(bits−1)−1)…2^(bits−1)−1 and zero point 0. */
  readonly weightSymmetric: boolean;
  readonly exclude: Exclusions;
  /** Layers with bits or a granularity of their own; where several match, the last one counts. */
  readonly layers: readonly LayerSettings[];
}

const WEIGHT_BITS = { int4: 4, int8: 8, uint8: 8, int16: 16 } as const;

/** Fills in defaults. @throws {OptionsError} E2001 unknown key, E2002 bits out of range, E2004 a value outside its set. */
export function resolveQuantizeOptions(options: QuantizeOptions): ResolvedQuantizeOptions {
  const given = readOptions("quantize", QUANTIZE_OPTIONS, renewQuantizeOptions(options));
  const { weights, exclude, excludeType, excludeBetween, layerBits, ...merged } = {
    ...defaultsOf(QUANTIZE_OPTIONS),
    ...given,
  };
  const spec = targetSpec(merged.target);
  const activations = given.activations ?? spec.activations;
  parseChooser(merged.calibrator);
  if (parseChooser(merged.weightCalibrator).kind === "tail") {
    throw new OptionsError("E2004", "quantize: weightCalibrator 'tail' is for activations: all weights are seen", {
      actual: merged.weightCalibrator,
      expected: ["minmax", "percentile:P", "entropy", "mse"],
    });
  }
  requireOneOf("quantize", `weight storage of target '${merged.target}'`, merged.weightStorage, [
    "auto",
    ...spec.weightStorage,
  ]);
  if (spec.symmetric.weights && weights === "uint8") {
    throw new OptionsError("E2004", `quantize: target '${merged.target}' takes symmetric weights only`, {
      expected: "symmetric",
      actual: "asymmetric",
      hint: "leave --weights at int8, or choose another target",
    });
  }
  const storedBits = activations.endsWith("16") ? 16 : 8;
  const activationBits = given.activationBits ?? storedBits;
  if (activationBits > storedBits) {
    throw new OptionsError(
      "E2002",
      `quantize: activationBits ${activationBits} is not a whole number (2–${storedBits})`,
      {
        actual: activationBits,
        expected: `2–${storedBits}`,
        hint: "a stored type of 16 bits takes more: activations uint16",
      },
    );
  }
  return {
    ...merged,
    spec,
    weightBits: given.weightBits ?? WEIGHT_BITS[weights],
    weightSymmetric: weights !== "uint8",
    granularity: given.granularity ?? spec.granularity,
    // What is right everywhere, where nobody measured or said.
    processor: given.processor ?? "avx2",
    activations,
    activationBits,
    activationSymmetric: given.activationSymmetric ?? spec.symmetric.activations,
    bias: given.bias ?? spec.bias,
    powerOfTwo: given.powerOfTwo ?? spec.powerOfTwo,
    exclude: { nodes: exclude ?? [], opTypes: excludeType ?? [], subgraphs: (excludeBetween ?? []).map(endsOf) },
    layers: (layerBits ?? []).map(readLayerBits),
  };
}

function endsOf(text: string): { from: string[]; to: string[] } {
  const [from, to, ...rest] = text.split("..");
  if (from && to && rest.length === 0) return { from: from.split(","), to: to.split(",") };
  throw new OptionsError("E2004", `quantize: excludeBetween '${text}' is not of the form from..to`, {
    actual: text,
    hint: "give two tensor names: --exclude-between conv_1_out..fc_out",
  });
}
