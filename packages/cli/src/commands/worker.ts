import { OptionsError } from "@equant/core/errors";
import { storeOf } from "../fleet/open-fleet.js";
import type { CommandDefinition, CommandOutcome } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";
import { addQueueOptions, type FleetOptions } from "../options/fleet-options.js";

/** `equant worker`: runs networks over samples for commands elsewhere, until it is stopped. */
export const worker: CommandDefinition = {
  configure(command) {
    command
      .description("Serves a queue: runs networks over samples for commands on other machines, until it is stopped.")
      .optionsGroup("Options:");
    addQueueOptions(command);
  },
  async run(context: CommandContext): Promise<CommandOutcome> {
    const options = context.options<FleetOptions>();
    if (options.queue === undefined) {
      throw new OptionsError("E2005", "worker: no --queue", {
        hint: "for example equant worker --queue redis://queue.internal:6379 --store /mnt/shared/equant",
      });
    }
    const store = storeOf(context, options);
    const [{ folderStore, runQueueWorker, shownUrl }, { shardWorker }] = await Promise.all([
      import("@equant/cluster"),
      import("../fleet/shard-worker.js"),
    ]);
    const files = folderStore(store);
    const { threads, maxMemory } = context;
    let done = 0;
    let failed = 0;
    context.reporter.info(`serving   ${shownUrl(options.queue)}, files in ${store}`);
    await runQueueWorker({
      url: options.queue,
      ...(options.queueName !== undefined && { name: options.queueName }),
      worker: await shardWorker(files, { threads, maxMemory }),
      signal: context.signal,
      onJob: (job, outcome) => {
        if (outcome.ok) done++;
        else {
          failed++;
          context.reporter.info(`job ${job.slice(0, 12)}  ${outcome.error.code}: ${outcome.error.message}`);
        }
        context.onProgress({ phase: "serve", done: done + failed, total: 0 });
      },
    });
    return { result: { done, failed }, text: `${done} jobs done, ${failed} failed\n` };
  },
};
