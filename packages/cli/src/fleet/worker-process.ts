import { rmSync } from "node:fs";
import { folderStore, serveParent } from "@equant/cluster";
import type { WorkerSettings } from "./open-fleet.js";
import { shardWorker } from "./shard-worker.js";

/** A process of `--workers`: does what the command sends it. The folder of results is the command's, and goes with it. */
const settings = JSON.parse(process.argv[2]!) as WorkerSettings;
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => undefined);
process.on("disconnect", () => rmSync(settings.store, { recursive: true, force: true }));
serveParent(await shardWorker(folderStore(settings.store), settings));
