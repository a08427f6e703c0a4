import { warmCharts } from "../charts/client.js";
import { environment } from "../state/store.js";
import { engine } from "./engine.js";

let warmed: Promise<void> | undefined;

/** Loads core into the worker, and learns how many threads there are. */
export function warm(): Promise<void> {
  warmCharts();
  warmed ??= engine
    .call("warm", {})
    .promise.then((found) => {
      environment.value = found;
    })
    .catch(() => {
      warmed = undefined;
    });
  return warmed;
}
