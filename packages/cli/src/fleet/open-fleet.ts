import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Fleet } from "@equant/cluster";
import { OptionsError } from "@equant/core/errors";
import type { Dataset } from "@equant/core/lab";
import type { DataPlan } from "../options/data-plan.js";
import type { FleetOptions } from "../options/fleet-options.js";

/** What a fleet is told of the command that uses it. */
export interface FleetUser {
  readonly command: string;
  readonly io: { readonly cwd: string };
  readonly threads: number;
  readonly maxMemory: number;
  readonly dataPlans: readonly { readonly plan: DataPlan; readonly dataset: Dataset }[];
  readonly reporter: { info(line: string): void };
}

/** What a worker process is told; see worker-process.ts. */
export interface WorkerSettings {
  readonly store: string;
  readonly threads: number;
  readonly maxMemory: number;
}

/** Starts or joins the workers that the options name. @throws {OptionsError} E2005 a queue without a folder to share. */
export async function openFleet(context: FleetUser, options: FleetOptions): Promise<Fleet> {
  const { Fleet, folderStore, localEngine, queueEngine } = await import("@equant/cluster");
  const planOf = (source: string) => context.dataPlans.find(({ dataset }) => dataset.source?.id === source)?.plan;
  const { queue, workers } = options;
  if (queue !== undefined) {
    const store = folderStore(storeOf(context, options));
    const engine = await queueEngine({
      url: queue,
      ...(options.queueName !== undefined && { name: options.queueName }),
      store,
      ...(workers !== undefined && { workers }),
    });
    return new Fleet({ store, engine, planOf });
  }
  const folder = await mkdtemp(join(tmpdir(), "equant-workers-"));
  const store = folderStore(folder);
  const settings: WorkerSettings = {
    store: folder,
    threads: Math.max(1, Math.floor(context.threads / workers!)),
    maxMemory: Math.floor(context.maxMemory / (workers! + 1)),
  };
  const engine = localEngine({
    workers: workers!,
    script: fileURLToPath(new URL("./worker-process.js", import.meta.url)),
    args: [JSON.stringify(settings)],
    onDeath: (reason) => context.reporter.info(`note      a worker ended (${reason}); another one goes on`),
  });
  const onClose = () => rm(folder, { recursive: true, force: true });
  return new Fleet({ store, engine, planOf, onClose });
}

/** The folder that producer and workers share. */
export function storeOf({ command, io }: Pick<FleetUser, "command" | "io">, { store }: FleetOptions): string {
  if (store !== undefined) return resolve(io.cwd, store);
  throw new OptionsError("E2005", `${command}: --queue needs --store, a folder that all machines share`, {
    hint: "for example --store /mnt/shared/equant",
  });
}
