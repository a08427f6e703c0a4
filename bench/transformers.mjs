// Pipelines of @huggingface/transformers on the files that `equant transformers` wrote, against the float file: cosine of the embeddings.
//
//   node bench/transformers.mjs FOLDER SENTENCES.txt [--lines 201-400] [--dtypes fp16,q8,q4] [--version 4.3.2]
//
// The package is 475 MB with its runtimes, so it is installed into a folder of its own under build/ at the first run. Nothing but local files
// is loaded.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    lines: { type: "string", default: "1-200" },
    dtypes: { type: "string", default: "fp16,q8,q4,q4f16,bnb4" },
    version: { type: "string", default: "4.3.2" },
    pooling: { type: "string", default: "mean" },
  },
});
const [folder, sentences] = positionals;
if (!folder || !sentences) throw new Error("usage: node bench/transformers.mjs FOLDER SENTENCES.txt");

const home = resolve("build/transformers", values.version);
if (!existsSync(join(home, "node_modules/@huggingface/transformers"))) {
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, "package.json"), '{ "private": true }\n');
  const install = [
    "install",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    `@huggingface/transformers@${values.version}`,
  ];
  if (spawnSync("npm", install, { cwd: home, stdio: "inherit" }).status !== 0) throw new Error("npm install failed");
}
const entry = createRequire(join(home, "package.json")).resolve("@huggingface/transformers");
const { env, pipeline } = await import(pathToFileURL(entry).href);
env.allowRemoteModels = false;
env.localModelPath = dirname(resolve(folder));

const [from, to] = values.lines.split("-").map(Number);
const lines = readFileSync(sentences, "utf8")
  .split(/\r?\n/)
  .filter(Boolean)
  .slice(from - 1, to);

/** Embeddings of all lines, one by one as an application asks for them. */
async function embeddings(dtype) {
  const extract = await pipeline("feature-extraction", basename(resolve(folder)), { dtype });
  const vectors = [];
  for (const line of lines) vectors.push((await extract(line, { pooling: values.pooling, normalize: true })).data);
  await extract.dispose();
  return vectors;
}

const float = await embeddings("fp32");
console.log(`${lines.length} sentences, @huggingface/transformers ${values.version}, cosine to float: mean, least`);
for (const dtype of values.dtypes.split(",")) {
  const cosines = (await embeddings(dtype)).map((vector, at) =>
    vector.reduce((sum, x, i) => sum + x * float[at][i], 0),
  );
  const mean = cosines.reduce((sum, value) => sum + value, 0) / cosines.length;
  console.log(`${dtype.padEnd(7)} ${mean.toFixed(5)}  ${Math.min(...cosines).toFixed(5)}`);
}
