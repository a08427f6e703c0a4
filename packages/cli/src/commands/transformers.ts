import { basename, dirname, resolve } from "node:path";
import type { HubDtypeName, HubVariant, HubWay, Model, OutputProbe, Runner } from "@equant/core/lab";
import type { CommandDefinition, CommandOutcome } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";
import { addDataOptions, type DataOptions, type OutputOptions } from "../options/option-groups.js";
import { choice, flag, number, text } from "../options/options.js";
import { formatBytes, formatDb, formatMs, formatPercent } from "../text/format.js";
import type { Column } from "../text/table.js";
import { type HubData, hubData } from "./transformers-data.js";
import { type HubFolder, hubFolder, MADE_KEY, type MadeRecord, madeBefore } from "./transformers-folder.js";
import { timesOf, webRunner } from "./transformers-time.js";

interface TransformersOptions extends DataOptions, OutputOptions {
  dtypes?: string;
  minSqnr?: number;
  force?: boolean;
  latency: boolean;
  externalData: "auto" | "all";
}

/** Most weights that a browser is given in one piece. */
const CHUNK_BYTES = 2e9;

/** One line of the table. */
interface Row {
  readonly file: string;
  readonly dtype: HubDtypeName | "fp32";
  readonly status: "float" | "written" | "made before" | "not written";
  readonly bytes: number;
  readonly made?: MadeRecord | undefined;
  readonly reason?: string | undefined;
}

/** `equant transformers`: the files that transformers.js loads, out of the float32 ones. */
export const transformers: CommandDefinition = {
  echoSettings: false,
  configure(command) {
    command
      .description(
        "Writes the file set that transformers.js loads (model_quantized.onnx, model_q4.onnx, …) beside the float32 files of a Hugging Face style folder, measured against them. What loses more than its limit is not written. A run that was stopped goes on where it was.",
      )
      .argument("<path>", "folder with onnx/*.onnx, config.json, tokenizer.json, …; or one .onnx file")
      .optionsGroup("Options:")
      .addOption(text("--dtypes <list>", "fp16, q8, int8, uint8, q4, q4f16, bnb4 (default: fp16,q8,q4,q4f16,bnb4)"))
      .addOption(number("--min-sqnr <dB>", "output SQNR below which a file is not written (default: by dtype)"))
      .addOption(flag("--force", "write such files all the same"))
      .addOption(flag("--no-latency", "do not measure time in Node and WASM"))
      .addOption(
        choice(
          "--external-data <how>",
          "weights in files of their own, NAME.onnx_data: auto (over 1 GiB), all",
          ["auto", "all"],
          "auto",
        ),
      )
      .addOption(flag("--overwrite", "make and replace files that exist already"));
    addDataOptions(command, { samples: 256 });
  },
  async run(context: CommandContext, path: string): Promise<CommandOutcome> {
    const { dtypes } = context.options<TransformersOptions>();
    const names = await dtypeNames(dtypes);
    const folder = await hubFolder(path, context.io.cwd);
    await context.lockFolder(dirname(folder.sources[0]!));
    const web = context.options<TransformersOptions>().latency ? await webRunner() : undefined;
    const rows: Row[] = [];
    for (const source of folder.sources) rows.push(...(await sessionFiles(context, folder, source, names, web)));
    await updateConfig(context, folder, rows);
    const lost = rows.filter(({ status }) => status === "not written");
    const reasons = lost.map(({ file, reason }) => `  ${file}: ${reason}\n`).join("");
    return {
      result: { files: rows.map(({ made, ...row }) => ({ ...row, ...made })), config: folder.config ?? null },
      text: `${context.table(COLUMNS, rows)}${reasons && `not written:\n${reasons}`}`,
      ...(lost.length > 0 && { hint: "--force writes them all the same; --min-sqnr says what is allowed" }),
    };
  },
};

async function dtypeNames(list: string | undefined): Promise<readonly HubDtypeName[]> {
  const { HUB_DEFAULT, HUB_DTYPE_NAMES } = await import("@equant/core/lab");
  if (list === undefined) return HUB_DEFAULT;
  const { requireOneOf } = await import("@equant/core/errors");
  const names = list.split(",").map((name) => name.trim());
  return names.map((name) => requireOneOf("transformers", "--dtypes", name, HUB_DTYPE_NAMES));
}

/** All files of one session: what was made before is left alone, and the network is only run for what was not. */
async function sessionFiles(
  context: CommandContext,
  folder: HubFolder,
  source: string,
  dtypes: readonly HubDtypeName[],
  web: Runner | undefined,
): Promise<Row[]> {
  const { hubFile } = await import("@equant/core/lab");
  const options = context.options<TransformersOptions>();
  const { model, identity } = await context.loadModel(source);
  const settings = JSON.stringify([
    options.data ?? null,
    options.samples ?? null,
    options.externalData,
    context.options().seed,
  ]);
  const rows: Row[] = [{ file: source, dtype: "fp32", status: "float", bytes: identity.bytes }];
  let session: SessionMaker | undefined;
  for (const dtype of dtypes) {
    const file = hubFile(source, dtype);
    const target = resolve(context.io.cwd, file);
    const before = options.overwrite ? undefined : await madeBefore(target, { source: identity.sha256, settings });
    if (before) {
      rows.push({ file, dtype, status: "made before", bytes: before.bytes, made: before.record });
      continue;
    }
    await context.checkOutput(file);
    session ??= await SessionMaker.of(context, folder, model, web);
    rows.push(await session.write(file, dtype, { source: identity.sha256, settings }));
  }
  return rows;
}

/** Makes, measures and writes the files of one session. */
class SessionMaker {
  private constructor(
    readonly context: CommandContext,
    readonly original: Model,
    readonly maker: { make(way: HubWay): Promise<HubVariant> },
    readonly probe: OutputProbe,
    readonly data: HubData,
    readonly web: Runner | undefined,
  ) {}

  static async of(context: CommandContext, folder: HubFolder, model: Model, web: Runner | undefined) {
    const { OutputProbe, prepareModel, VariantMaker } = await import("@equant/core/lab");
    const own = await context.transformContext();
    const data = await hubData(context, model, folder);
    if (data.origin !== "data")
      context.reporter.info(`note      no data given: measured and learned on ${data.origin}`);
    await context.phase("prepare", () => prepareModel(model, own));
    const maker = new VariantMaker(model, data.learning, own);
    const probe = await context.phase("float", () => OutputProbe.of(model, data.measuring, own, data.measuring.length));
    return new SessionMaker(context, model, maker, probe, data, web);
  }

  async write(file: string, dtype: HubDtypeName, identity: Pick<MadeRecord, "source" | "settings">): Promise<Row> {
    const { HUB_DTYPES } = await import("@equant/core/lab");
    const { context } = this;
    const { minSqnr, force = false } = context.options<TransformersOptions>();
    const { ways, minSqnrDb } = HUB_DTYPES[dtype];
    const limit = minSqnr ?? minSqnrDb;
    const reasons: string[] = [];
    for (const [at, way] of (ways as readonly HubWay[]).entries()) {
      const variant = await context.phase(dtype, () => this.maker.make(way), describe);
      for (const note of variant.notes) context.reporter.info(`note      ${note}`);
      if (!variant.forms.modified && !way.float16) {
        reasons.push("no layer or table that could take another form");
        continue;
      }
      const error = await this.probe.measure(variant.model, await context.transformContext());
      const isLast = at === ways.length - 1;
      if (error.sqnrDb < limit) reasons.push(`${way.name}: ${formatDb(error.sqnrDb)}, ${formatDb(limit)} asked`);
      if (error.sqnrDb < limit && !(force && isLast)) continue;
      const made: MadeRecord = {
        ...identity,
        way: way.name,
        learned: variant.learned,
        samples: this.data.measuring.length,
        random: this.data.origin !== "data",
        sqnrDb: error.sqnrDb,
        agreement: error.agreement,
        ...(await this.#times(variant.model)),
      };
      const bytes = await writeVariant(context, file, variant.model, made);
      return { file, dtype, status: "written", bytes, made };
    }
    return { file, dtype, status: "not written", bytes: 0, reason: [...new Set(reasons)].join("; ") };
  }

  async #times(model: Model): Promise<Pick<MadeRecord, "nodeMs" | "webMs">> {
    const { context, data, original, web } = this;
    if (!context.options<TransformersOptions>().latency) return { nodeMs: null, webMs: null };
    const own = await context.transformContext();
    const { ms } = await timesOf(original, model, data.measuring, own);
    if (!web) return { nodeMs: ms, webMs: null };
    return { nodeMs: ms, webMs: (await timesOf(original, model, data.measuring, { ...own, runner: web })).ms };
  }
}

function describe({ forms, learned, cut }: HubVariant): string {
  const parts = [`${forms.layers.length} layers`, ...learned];
  if (cut.length > 0) parts.push(`${cut.length} constants cut off at ±65504`);
  return parts.join(", ");
}

/** Writes a variant, its weights by the names that transformers.js gives them; returns its bytes together. */
async function writeVariant(context: CommandContext, file: string, model: Model, made: MadeRecord): Promise<number> {
  const { modelFiles } = await import("@equant/core/node");
  const { externalData } = context.options<TransformersOptions>();
  model.metadata.set(MADE_KEY, JSON.stringify(made));
  const path = resolve(context.io.cwd, file);
  const dataPath = (chunk: number) => `${path}_data${chunk === 0 ? "" : `_${chunk}`}`;
  const files = modelFiles(model, path, { externalData, dataPath, maxDataBytes: CHUNK_BYTES });
  await context.writeOutputs(files);
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Says in config.json which of the files have weights beside them. */
async function updateConfig(context: CommandContext, { config }: HubFolder, rows: readonly Row[]): Promise<void> {
  if (config === undefined || context.options().dryRun) return;
  const [{ readFile, readdir }, { withExternalData }, { atomicWriteAll }, { dirname }] = await Promise.all([
    import("node:fs/promises"),
    import("@equant/core/lab"),
    import("@equant/core/node"),
    import("node:path"),
  ]);
  const chunks: Record<string, number> = {};
  for (const { file, status } of rows) {
    if (status === "float" || status === "not written") continue;
    const name = basename(file);
    const beside = await readdir(dirname(resolve(context.io.cwd, file)));
    chunks[name] = beside.filter((other) => other === `${name}_data` || other.startsWith(`${name}_data_`)).length;
  }
  const changed = withExternalData(await readFile(config, "utf8"), chunks, config);
  if (changed !== undefined) await atomicWriteAll([{ path: config, data: changed }], { overwrite: true });
}

const COLUMNS: readonly Column<Row>[] = [
  { title: "file", cell: ({ file }) => basename(file) },
  { title: "size", cell: ({ bytes, status }) => (status === "not written" ? "–" : formatBytes(bytes)) },
  { title: "SQNR", cell: ({ made }) => (made ? formatDb(made.sqnrDb) : "–") },
  { title: "same", cell: ({ made }) => (made?.agreement == null ? "–" : formatPercent(made.agreement, 1)) },
  { title: "Node", cell: ({ made }) => (made?.nodeMs == null ? "–" : formatMs(made.nodeMs)) },
  { title: "WASM", cell: ({ made }) => (made?.webMs == null ? "–" : formatMs(made.webMs)) },
  { title: "how", cell: ({ made, status }) => (made ? [made.way, ...made.learned].join(", ") : status), align: "left" },
];
