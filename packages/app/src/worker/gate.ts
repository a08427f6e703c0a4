import type { Dataset } from "@equant/core";

/** Messages are looked for this often, well within the time in which a cancel must be seen. */
const BREATH_MS = 20;

/** Lets a run breathe: between samples messages are read, so that a pause or a cancel is seen, and a pause is kept. */
export class Gate {
  #paused = false;
  #waiting: (() => void)[] = [];
  #last = 0;

  get paused(): boolean {
    return this.#paused;
  }

  set(paused: boolean): void {
    this.#paused = paused;
    if (paused) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
  }

  async pass(): Promise<void> {
    // A task of its own for every sample would take longer than small networks do.
    if (!this.#paused && performance.now() - this.#last < BREATH_MS) return;
    await nextTask();
    this.#last = performance.now();
    while (this.#paused) await new Promise<void>((go) => this.#waiting.push(go));
  }

  /** The dataset, every sample of which passes this gate. */
  dataset(dataset: Dataset): Dataset {
    const { record } = dataset;
    return {
      ...dataset,
      ...(record && {
        record: async (index: number) => {
          await this.pass();
          return record.call(dataset, index);
        },
      }),
      fill: async (index, out, offset) => {
        await this.pass();
        await dataset.fill(index, out, offset);
      },
    };
  }
}

/** A task of its own, so that messages that wait come first; timers would wait 4 ms. */
function nextTask(): Promise<void> {
  return new Promise((go) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      go();
    };
    port2.postMessage(null);
  });
}
