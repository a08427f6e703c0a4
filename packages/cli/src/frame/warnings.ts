/**
 * Warning codes of the command; the second digit is a serial, the first follows the error codes
 * (2 options, 3 model, 5 data, 6 machine, 7 numeric). Documented in docs/errors.md.
 */
export const WARNING_CODES = {
  W4001: "a layer stays in float",
  W4002: "part of a quantized file has no counterpart in the float model",
  W4003: "weights of a kind of layer stay float",
  W6002: "the result is larger than its input",
  W6003: "the result is slower than its input on this machine",
  W6004: "output SQNR under 20 dB",
  W6005: "an execution provider cannot be had; the processor is used",
  W7001: "a step was undone because it made matters worse",
  W7002: "layer collapse: a layer lost its last weight",
  W6001: "integer kernels of this processor lose accuracy",
  W5001: "random data: results say nothing about real images",
  W5002: "accuracy is no better than chance",
  W5003: "labels are not used",
  W5004: "calibration was stopped early",
  W5005: "another preprocessing suits the network better",
  W5006: "the images are unlike those of the training",
  W5007: "the preprocessing was not given and cannot be found",
} as const;

export type WarningCode = `W${number}`;

export interface Warning {
  readonly code: WarningCode;
  readonly message: string;
  /** The layer, tensor or file it is about. */
  readonly layer?: string;
}

/** Collects warnings: each distinct one is kept once with a count. */
export class Warnings {
  readonly #seen = new Map<string, { warning: Warning; count: number }>();
  readonly #onFirst: (warning: Warning) => void;

  /** `onFirst` is called the first time a distinct warning arrives. */
  constructor(onFirst: (warning: Warning) => void = () => {}) {
    this.#onFirst = onFirst;
  }

  add(code: WarningCode, message: string, layer?: string): void {
    const key = JSON.stringify([code, message, layer]);
    const known = this.#seen.get(key);
    if (known) {
      known.count++;
      return;
    }
    const warning: Warning = layer === undefined ? { code, message } : { code, message, layer };
    this.#seen.set(key, { warning, count: 1 });
    this.#onFirst(warning);
  }

  /** Number of distinct warnings. */
  get size(): number {
    return this.#seen.size;
  }

  toJSON(): (Warning & { count: number })[] {
    return [...this.#seen.values()].map(({ warning, count }) => ({ ...warning, count }));
  }

  /** `3 warnings: W3007 x2, W5001`, or undefined when there is none. */
  summary(): string | undefined {
    if (this.#seen.size === 0) return undefined;
    const counts = new Map<string, number>();
    let total = 0;
    for (const { warning, count } of this.#seen.values()) {
      counts.set(warning.code, (counts.get(warning.code) ?? 0) + count);
      total += count;
    }
    const parts = [...counts].map(([code, count]) => (count === 1 ? code : `${code} x${count}`));
    return `${total} warning${total === 1 ? "" : "s"}: ${parts.join(", ")}`;
  }
}
