import { readFileSync } from "node:fs";

/** Version of the command, read from its own package.json: one place to change. */
export function toolVersion(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
