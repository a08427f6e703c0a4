import type { ShardOutcome, ShardWorker } from "./shard-worker.js";

/** What a worker process is told, and what it answers. */
export interface WorkOrder {
  readonly id: number;
  readonly job: string;
}
export type WorkAnswer =
  | { readonly ready: true }
  | { readonly id: number; readonly outcome: ShardOutcome }
  | { readonly id: number; readonly failure: string };

/** Does what the parent process sends, one job after the other, until the parent is gone. */
export function serveParent(worker: ShardWorker): void {
  const answer = (message: WorkAnswer) => process.send?.(message, undefined, undefined, () => undefined);
  let tail: Promise<unknown> = Promise.resolve();
  process.on("message", ({ id, job }: WorkOrder) => {
    tail = tail.then(async () => {
      try {
        answer({ id, outcome: await worker.run(job) });
      } catch (error) {
        answer({ id, failure: error instanceof Error ? error.message : String(error) });
      }
    });
  });
  process.on("disconnect", () => process.exit(0));
  answer({ ready: true });
}
