/**
 * The library: models, datasets, transforms and measurements, without a platform.
 * @module @equant/core
 */
export * from "@equant/core";
