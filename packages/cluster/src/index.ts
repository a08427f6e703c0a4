export { type Engine, Fleet, type FleetParts, fleetRunner } from "./fleet.js";
export { type LocalOptions, localEngine } from "./local-engine.js";
export { connectQueue, type QueueOptions, queueEngine, runQueueWorker, shownUrl } from "./queue-engine.js";
export { type ShardOutcome, ShardWorker, type WorkerParts } from "./shard-worker.js";
export { folderStore, type Store } from "./store.js";
export { serveParent } from "./worker-process.js";
