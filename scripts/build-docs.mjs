/** Builds the documentation site into build/site: docs/, the reference from the doc comments, and the app under /app. */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const site = join(root, "site");
const pages = join(root, "build/site-pages");
const out = join(root, "build/site");
const app = join(root, "packages/app/dist");
const run = (script) =>
  execFileSync("npm", ["run", "--silent", script], { cwd: site, stdio: ["ignore", "ignore", "inherit"] });

if (!existsSync(join(app, "index.html"))) throw new Error("the app is not built: npm run build");
rmSync(pages, { recursive: true, force: true });
mkdirSync(pages, { recursive: true });
run("reference");
cpSync(join(root, "docs"), pages, { recursive: true });
cpSync(join(site, "index.md"), join(pages, "index.md"));
/** Pages of the repository's root: their links into docs/ start one folder higher. */
for (const name of ["CHANGELOG", "CONTRIBUTING"]) {
  const text = readFileSync(join(root, `${name}.md`), "utf8").replaceAll("](docs/", "](./");
  writeFileSync(join(pages, `${name.toLowerCase()}.md`), text);
}
run("build");
cpSync(app, join(out, "app"), { recursive: true });
process.stdout.write(`docs: ${out}\n`);
