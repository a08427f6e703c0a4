import type { LinearLayer } from "../operators/index.js";
import { factorsOf } from "./factors.js";
import type { ScaleClasses, ScaleFactors } from "./scale-classes.js";
import { inputMaxima, outputMaxima, type WeightMagnitudes, weightMagnitudes } from "./weight-magnitudes.js";

/** Largest weights by channel of every layer, under factors that are chosen but not yet applied. */
export class LayerMaxima {
  readonly #magnitudes = new Map<LinearLayer, WeightMagnitudes>();

  constructor(readonly classes: ScaleClasses) {}

  /** max_i |W_ji|·b_j/a_i for every output channel. */
  outputs(layer: LinearLayer, factors: ScaleFactors): Float64Array {
    return outputMaxima(this.#of(layer), ...this.#factors(layer, factors));
  }

  /** max_j |W_ji|·b_j/a_i for every input channel. */
  inputs(layer: LinearLayer, factors: ScaleFactors): Float64Array {
    return inputMaxima(this.#of(layer), ...this.#factors(layer, factors));
  }

  #factors(layer: LinearLayer, factors: ScaleFactors) {
    return [factorsOf(this.classes, factors, layer.input), factorsOf(this.classes, factors, layer.output)] as const;
  }

  #of(layer: LinearLayer): WeightMagnitudes {
    let own = this.#magnitudes.get(layer);
    if (!own) {
      own = weightMagnitudes(layer);
      this.#magnitudes.set(layer, own);
    }
    return own;
  }
}
