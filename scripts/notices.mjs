/** Licence notices of everything that a built package has inside: the packages it depends on, and those they depend on. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** Licences under which parts may be given on inside of a package with a notice. */
const KNOWN =
  /^\(?(MIT|ISC|BSD-2-Clause|BSD-3-Clause|0BSD|Apache-2\.0|Unlicense|CC0-1\.0|BlueOak-1\.0\.0|Python-2\.0)\b/;

/** The folder of an installed package, seen from another one. */
function folderOf(name, from) {
  for (const place of createRequire(join(from, "package.json")).resolve.paths(name) ?? []) {
    if (existsSync(join(place, name, "package.json"))) return join(place, name);
  }
  throw new Error(`notices: ${name} is not installed`);
}

function collect(folder, found) {
  const { dependencies = {} } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  for (const name of Object.keys(dependencies)) {
    const place = folderOf(name, folder);
    if (found.has(place)) continue;
    found.set(place, JSON.parse(readFileSync(join(place, "package.json"), "utf8")));
    collect(place, found);
  }
  return found;
}

/** The licence's own words; of a package that brings none, its name, author and where it comes from. */
function textOf(folder, { license, author, repository }) {
  const files = readdirSync(folder).filter((name) => /^(licen[cs]e|copying|notice|third-?party)/i.test(name));
  const texts = files.map((name) => readFileSync(join(folder, name), "utf8").trim());
  if (texts.length > 0) return texts.join("\n\n");
  const by = typeof author === "object" ? author.name : author;
  const from = typeof repository === "object" ? repository.url : repository;
  return `The package has no text of its own: ${license}${by ? `, ${by}` : ""}${from ? `, ${from}` : ""}.`;
}

/** Notices of the package in `folder`, alphabetically. Throws where a licence is not one of {@link KNOWN}. */
export function noticesOf(folder) {
  const parts = [...collect(folder, new Map())]
    .filter(([, { name }]) => !name.startsWith("@equant/"))
    .map(([place, manifest]) => ({ place, manifest }))
    .sort((a, b) => (a.manifest.name < b.manifest.name ? -1 : 1));
  const blocks = parts.map(({ place, manifest }) => {
    const { name, version, license } = manifest;
    if (!KNOWN.test(license ?? "")) throw new Error(`notices: ${name} ${version} has licence ${license}`);
    return `${name} ${version}\nLicence: ${license}\n\n${textOf(place, manifest)}\n`;
  });
  const equant = readFileSync(join(dirname(import.meta.dirname), "LICENSE"), "utf8").trim();
  return `equant\n\n${equant}\n\n${"=".repeat(72)}\nWhat it contains of others\n\n${blocks.join(`\n${"-".repeat(72)}\n\n`)}`;
}
