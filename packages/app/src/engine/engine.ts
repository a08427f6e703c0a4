import { EngineClient, type WorkerLike } from "./client.js";

/** The page's one engine. Its worker starts with the first call. */
export const engine = new EngineClient(
  () => new Worker(new URL("../worker/main.ts", import.meta.url), { type: "module", name: "equant" }) as WorkerLike,
);
