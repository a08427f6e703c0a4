/** Copies the built app into the command's package, which serves it with `equant view`. */
import { cpSync, existsSync, rmSync } from "node:fs";
import { join } from "node:path";

const packages = join(import.meta.dirname, "../packages");
const from = join(packages, "app/dist");
const to = join(packages, "cli/app");
if (!existsSync(join(from, "index.html"))) throw new Error("the app is not built: npm run build");
rmSync(to, { recursive: true, force: true });
// The runtime with WebGPU is larger than the whole package: there the page says that it is not at hand.
cpSync(from, to, { recursive: true, filter: (path) => !path.includes(".asyncify.") });
