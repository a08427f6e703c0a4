#!/usr/bin/env node
// Committed as plain JavaScript so that npm can link the command before anything is built.
import { existsSync } from "node:fs";

const supervisor = new URL("../dist/frame/supervisor.js", import.meta.url);
if (existsSync(supervisor)) {
  const { start } = await import(supervisor.href);
  await start();
} else {
  process.stderr.write(
    "error: equant is not built yet\n  hint: run  npm run build  in the repository root, then try again\n",
  );
  process.exitCode = 2;
}
