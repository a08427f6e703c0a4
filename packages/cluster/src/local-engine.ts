import { type ChildProcess, fork } from "node:child_process";
import { RunError } from "@equant/core/errors";
import type { Engine } from "./fleet.js";
import type { ShardOutcome } from "./shard-worker.js";
import type { WorkAnswer, WorkOrder } from "./worker-process.js";

/** Options for {@link localEngine}. */
export interface LocalOptions {
  /** Processes. */
  readonly workers: number;
  /** Script of a worker process: it calls `serveParent`. */
  readonly script: string;
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Told when a worker died and its job goes to another. */
  readonly onDeath?: (reason: string) => void;
}

/** Deaths of workers at the same job after which it is the job that kills. */
const DEATHS_A_JOB = 3;

interface Task {
  readonly job: string;
  readonly resolve: (outcome: ShardOutcome) => void;
  readonly reject: (error: unknown) => void;
  deaths: number;
}

/** Processes of this machine. One that dies is replaced, and its job done by another. */
export function localEngine({ workers, script, args = [], env = process.env, onDeath }: LocalOptions): Engine {
  const queue: Task[] = [];
  const children = new Set<ChildProcess>();
  const idle = new Map<ChildProcess, (task: Task) => void>();
  let closed = false;

  const assign = () => {
    for (const [child, take] of idle) {
      const task = queue.shift();
      if (!task) return;
      idle.delete(child);
      take(task);
    }
  };

  const start = () => {
    const child = fork(script, args, { env, stdio: ["ignore", "ignore", "inherit", "ipc"] });
    children.add(child);
    let current: Task | undefined;
    let orders = 0;
    const wait = () => {
      current = undefined;
      idle.set(child, (task) => {
        current = task;
        child.send({ id: ++orders, job: task.job } satisfies WorkOrder, () => undefined);
      });
      assign();
    };
    child.on("message", (answer: WorkAnswer) => {
      if ("ready" in answer) return wait();
      const task = current;
      if (!task || answer.id !== orders) return;
      if ("outcome" in answer) task.resolve(answer.outcome);
      else task.reject(new RunError("E6004", `a worker failed (${answer.failure})`, {}));
      wait();
    });
    let gone = false;
    const end = (reason: string) => {
      if (gone) return;
      gone = true;
      children.delete(child);
      idle.delete(child);
      if (closed) return;
      onDeath?.(reason);
      if (current) {
        current.deaths++;
        if (current.deaths < DEATHS_A_JOB) queue.unshift(current);
        else {
          const hint = "try one process: --workers 1 says what fails";
          current.reject(
            new RunError("E6004", `${DEATHS_A_JOB} workers ended at the same samples (${reason})`, { hint }),
          );
        }
      }
      start();
    };
    child.on("error", (error) => end(error.message));
    child.on("exit", (code, signal) => end(signal ?? `exit ${code}`));
  };

  return {
    window: 2 * workers,
    run: (job, signal) =>
      new Promise((resolve, reject) => {
        while (children.size < workers) start();
        const task: Task = { job, resolve, reject, deaths: 0 };
        queue.push(task);
        signal?.addEventListener(
          "abort",
          () => {
            const at = queue.indexOf(task);
            if (at >= 0) queue.splice(at, 1);
            reject(new RunError("E6005", "cancelled"));
          },
          { once: true },
        );
        assign();
      }),
    async close() {
      closed = true;
      for (const child of children) child.kill("SIGKILL");
      children.clear();
    },
  };
}
