#!/usr/bin/env node
// Committed as plain JavaScript so that npm can link the command before anything is built.
import { existsSync } from "node:fs";

const supervisor = new URL("../dist/frame/supervisor.js", import.meta.url);
if (existsSync(supervisor)) {
  const argv = process.argv.slice(2);
  const { obstacle, refuse } = await import(new URL("../dist/frame/preflight.js", import.meta.url).href);
  const found = obstacle(argv);
  if (found) process.exitCode = refuse(found, argv);
  else await (await import(supervisor.href)).start();
} else {
  process.stderr.write(
    "error: equant is not built yet\n  hint: run  npm run build  in the repository root, then try again\n",
  );
  process.exitCode = 2;
}
