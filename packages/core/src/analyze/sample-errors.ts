import type { SampleError } from "./validation-report.js";

/** Samples kept at most: what a chart can show one by one. */
const KEPT = 512;

/** Keeps every sample, then every second, fourth, …: evenly spread, whatever the number, and the same on every run. */
export class SampleErrors {
  #kept: SampleError[] = [];
  #stride = 1;
  #seen = 0;

  add(make: () => SampleError): void {
    if (this.#seen++ % this.#stride !== 0) return;
    this.#kept.push(make());
    if (this.#kept.length <= KEPT) return;
    this.#kept = this.#kept.filter((_, at) => at % 2 === 0);
    this.#stride *= 2;
  }

  get kept(): readonly SampleError[] {
    return this.#kept;
  }
}
