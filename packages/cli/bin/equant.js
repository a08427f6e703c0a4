#!/usr/bin/env node
// Committed as plain JavaScript so that npm can link the command before anything is built.
import { existsSync } from "node:fs";

const main = new URL("../dist/main.js", import.meta.url);
if (existsSync(main)) {
  const { runProcess } = await import(main.href);
  await runProcess();
} else {
  process.stderr.write(
    "error: equant is not built yet\n  hint: run  npm run build  in the repository root, then try again\n",
  );
  process.exitCode = 2;
}
