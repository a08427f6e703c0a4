/** Builds the documentation site into build/site: docs/, the reference from the doc comments, and the app under /app. */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";

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
/** Links into the code lead to the repository. */
const { repository } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const code = `${repository.url.replace(/^git\+|\.git$/g, "")}/blob/main`;
for (const entry of readdirSync(join(root, "docs"), { recursive: true, withFileTypes: true })) {
  if (!entry.name.endsWith(".md")) continue;
  const page = join(pages, relative(join(root, "docs"), entry.parentPath), entry.name);
  const text = readFileSync(page, "utf8").replaceAll(
    /\]\((?:\.\.\/)+(packages|scripts|examples|test)\//g,
    `](${code}/$1/`,
  );
  writeFileSync(page, text);
}
cpSync(join(site, "index.md"), join(pages, "index.md"));
/** Pages of the repository's root: their links into docs/ start one folder higher. */
for (const name of ["CHANGELOG", "CONTRIBUTING"]) {
  const text = readFileSync(join(root, `${name}.md`), "utf8").replaceAll("](docs/", "](./");
  writeFileSync(join(pages, `${name.toLowerCase()}.md`), text);
}
run("build");
cpSync(app, join(out, "app"), { recursive: true });
process.stdout.write(`docs: ${out}\n`);
