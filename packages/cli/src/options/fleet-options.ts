import type { Command } from "commander";
import { completing, integer, text } from "./options.js";

/** Who else runs networks; see {@link addFleetOptions}. */
export interface FleetOptions {
  workers?: number;
  queue?: string;
  queueName?: string;
  store?: string;
}

/** For commands whose time goes into running networks over samples. */
export function addFleetOptions(command: Command): Command {
  command.optionsGroup("Fleet options:").addOption(
    integer("--workers <n>", "processes that run samples; with --queue, about how many serve it (default: 1)", {
      min: 1,
      max: 4096,
    }),
  );
  return addQueueOptions(command);
}

/** Where workers and commands meet. */
export function addQueueOptions(command: Command): Command {
  return command
    .addOption(
      text("--queue <url>", "have samples run by workers at redis:// or postgres:// (password: EQUANT_QUEUE_PASSWORD)"),
    )
    .addOption(text("--queue-name <name>", "name of the queue (default: equant)"))
    .addOption(completing(text("--store <path>", "folder that all machines share, for models and results"), "file"));
}
