import { availableParallelism, freemem } from "node:os";
import { resolve } from "node:path";
import type { Fleet } from "@equant/cluster";
import type { Model, Runner, TransformContext } from "@equant/core";
import { OptionsError, RunError } from "@equant/core/errors";
import type { Dataset, ProviderName } from "@equant/core/lab";
import type { ModelFile } from "@equant/core/node";
import type { Command } from "commander";
import type { LoadedConfig } from "../config/load.js";
import { type Io, writeAll } from "../files/io.js";
import { type LoadedModel, loadModel } from "../files/model-file.js";
import { type FileData, type OutputFile, type WrittenFile, writeOutputs } from "../files/output-file.js";
import type { DataPlan } from "../options/data-plan.js";
import type { FleetOptions } from "../options/fleet-options.js";
import type { GlobalOptions, ModelOutputOptions, OutputOptions } from "../options/option-groups.js";
import type { Settings } from "../options/settings.js";
import { formatBytes } from "../text/format.js";
import type { ProgressEvent } from "../text/progress.js";
import { type Column, renderTable } from "../text/table.js";
import type { ModelIdentity } from "./envelope.js";
import type { Reporter } from "./reporter.js";
import { tell } from "./supervised.js";
import { type Warning, type WarningCode, Warnings } from "./warnings.js";

/** What there is to say of a command without running it. */
export interface CommandListing {
  readonly name: string;
  readonly summary: string;
  readonly hidden?: boolean;
  load(): Promise<{ configure(command: Command): void }>;
}

/** Of the memory that is free at the start: what a run may take, and where its supervisor ends it, all things counted. */
const FREE_SHARE = 0.7;
const FREE_LIMIT = 0.95;

/** What it takes at most to check, verify and write a result that was stopped early. */
const FINISH_MS = 10 * 60_000;

export interface ContextParts {
  readonly command: string;
  readonly io: Io;
  readonly options: Record<string, unknown>;
  readonly settings: Settings;
  readonly signal: AbortSignal;
  readonly reporter: Reporter;
  readonly config: LoadedConfig | undefined;
  readonly commands?: readonly CommandListing[] | undefined;
}

/** What a command gets from the frame. */
export class CommandContext {
  readonly command: string;
  readonly io: Io;
  /** Resolved settings and where each came from; echoed before the command runs. */
  readonly settings: Settings;
  /** Aborted by Ctrl+C: pass it to every core call. */
  readonly signal: AbortSignal;
  readonly reporter: Reporter;
  readonly warnings: Warnings;
  /** The file given with --config, if any; its values are already defaults of the options. */
  readonly config: LoadedConfig | undefined;
  /** All commands there are: what the shells complete. */
  readonly commands: readonly CommandListing[];
  /** Milliseconds by phase, for the envelope. */
  readonly timings: Record<string, number> = {};
  /** Identity of the input model, set by {@link loadModel}. */
  model: ModelIdentity | undefined;
  /** Where it was read from. */
  modelPath: string | undefined;
  /** True once the output itself went to stdout: the summary then goes to stderr. */
  stdoutTaken = false;
  /** The data opened so far, for whoever else must open it. */
  readonly dataPlans: { readonly plan: DataPlan; readonly dataset: Dataset }[] = [];
  readonly #options: Record<string, unknown>;
  readonly #inputs: string[] = [];
  /** Free memory at the start, within the limits of a container. */
  readonly #freeMemory = process.availableMemory?.() ?? freemem();
  /** Who executed networks; undefined as long as none ran. */
  provider: ProviderName | undefined;
  #runner: Promise<Runner> | undefined;
  #fleet: Fleet | undefined;
  #finishing = false;

  constructor(parts: ContextParts) {
    this.command = parts.command;
    this.io = parts.io;
    this.settings = parts.settings;
    this.signal = parts.signal;
    this.reporter = parts.reporter;
    this.config = parts.config;
    this.commands = parts.commands ?? [];
    this.#options = parts.options;
    tell({ maxMemory: this.options().maxMemory ?? Math.round(FREE_LIMIT * this.#freeMemory) });
    this.warnings = new Warnings((warning) => this.reporter.info(this.#warningLine(warning)));
  }

  /** The command's options after flags, config and defaults, typed by the command. */
  options<O extends object>(): O & GlobalOptions {
    return this.#options as O & GlobalOptions;
  }

  /** Hand it to core as it is: `{ runner, signal: context.signal, onProgress: context.onProgress }`. */
  readonly onProgress = (event: ProgressEvent): void => this.reporter.progress.update(event);

  /** Says something went less well than hoped; repeated in the summary and the JSON. */
  warn(code: WarningCode, message: string, layer?: string): void {
    this.warnings.add(code, message, layer);
  }

  /**
   * Runs one phase: times it, and closes it with a line such as `✔ fold batch-norm  52 folded  38 ms`. The name should
   * be the phase of the progress events inside. `note` describes the result.
   */
  async phase<T>(name: string, work: () => Promise<T> | T, note: (value: T) => string = () => ""): Promise<T> {
    const start = this.io.now();
    const value = await work();
    const elapsed = this.io.now() - start;
    this.timings[name] = (this.timings[name] ?? 0) + elapsed;
    this.reporter.progress.finish(name, elapsed, note(value));
    return value;
  }

  /** Reads a model, remembers it as an input that no output may replace; the first one is the envelope's `model`. */
  async loadModel(path: string): Promise<LoadedModel> {
    const loaded = await loadModel(path, this.io);
    this.addInput(path);
    this.model ??= loaded.identity;
    this.modelPath ??= path;
    return loaded;
  }

  /** Protects a file the command reads from being written over. */
  addInput(path: string): void {
    if (path !== "-") this.#inputs.push(path);
  }

  get threads(): number {
    return this.options().threads ?? availableParallelism();
  }

  /** Bytes of memory that the run may take. */
  get maxMemory(): number {
    return this.options().maxMemory ?? Math.round(FREE_SHARE * this.#freeMemory);
  }

  /**
   * Refuses what is too large before it is made.
   * @throws {RunError} E6001 with what it takes and what is allowed.
   */
  requireMemory(what: string, bytes: number, hint: string): void {
    if (bytes <= this.maxMemory) return;
    const message = `${what} takes ${formatBytes(bytes)}, ${formatBytes(this.maxMemory)} allowed`;
    const details = { actual: bytes, expected: this.maxMemory, hint: `${hint}; --max-memory says what is allowed` };
    throw new RunError("E6001", `${this.command}: ${message}`, details);
  }

  /** ONNX Runtime for Node, loaded at the first call. */
  runner(): Promise<Runner> {
    this.#runner ??= (async () => {
      const { loadNative } = await import("./native.js");
      const [ort, { provideRunner }] = await Promise.all([
        loadNative("ONNX Runtime", () => import("onnxruntime-node")),
        import("@equant/core/lab"),
      ]);
      const options = { threads: this.threads, maxValueBytes: this.maxMemory };
      const { provider: asked = "cpu" } = this.options();
      const { runner, provider, refused } = await provideRunner(ort, asked, options);
      for (const { provider: name, reason } of refused) {
        const told = `${name} cannot be had: ${reason}`;
        if (asked === "auto") this.reporter.info(`provider  ${told}`);
        else this.warn("W6005", told);
      }
      if (asked === "auto") this.reporter.info(`provider  ${provider} taken`);
      this.provider = provider;
      const fleetOptions = this.options<FleetOptions>();
      if ((fleetOptions.workers ?? 1) === 1 && fleetOptions.queue === undefined) return runner;
      const { openFleet } = await import("../fleet/open-fleet.js");
      const { fleetRunner } = await import("@equant/cluster");
      this.#fleet = await openFleet(this, fleetOptions);
      return fleetRunner(runner, this.#fleet);
    })();
    return this.#runner;
  }

  /** Ends what the command left running. `isDone`: nobody will go on from here. */
  async close(isDone: boolean): Promise<void> {
    await this.#fleet?.close(isDone);
  }

  /** What core's steps take as their context: the runner, the abort signal, and where progress goes. */
  async transformContext(): Promise<TransformContext> {
    const here = { runner: await this.runner(), onProgress: this.onProgress };
    return this.#finishing ? here : { ...here, signal: this.signal };
  }

  /** Told to stop, what runs will be finished with what there is by then, which takes longer than to end. */
  keepWhenStopped(): void {
    tell({ graceMs: FINISH_MS });
  }

  /** What was done until now is a result, cancelled or not: what is left to do to write it is short, and runs to its end. */
  finish(): void {
    this.#finishing = true;
  }

  /** Throws E2006 now when an output could not be written later: call it before the long work. */
  async checkOutput(path: string): Promise<void> {
    if (path === "-") return this.#takeStdout();
    const { checkOutput } = await import("../files/output-file.js");
    await checkOutput(path, this.#writeOptions());
  }

  /** Keeps other runs from writing to a folder until this one ends. @throws {OptionsError} E2006 one does. */
  async lockFolder(folder: string | undefined): Promise<void> {
    if (folder === undefined || this.options().dryRun) return;
    const { lockFolder } = await import("../files/temp-files.js");
    await lockFolder(resolve(this.io.cwd, folder));
  }

  /** Writes one file atomically; `-` is stdout. With --dry-run nothing is written. */
  async writeOutput(path: string, data: FileData): Promise<WrittenFile | undefined> {
    if (path !== "-") return (await this.writeOutputs([{ path, data }]))[0];
    this.#takeStdout();
    if (this.options().dryRun) return undefined;
    const parts = typeof data === "string" || data instanceof Uint8Array ? [data] : data;
    let bytes = 0;
    for await (const part of parts) {
      bytes += part.length;
      await writeAll(this.io.stdout, part);
    }
    return { path, bytes };
  }

  /** Writes several files, all or none; the one that refers to the others comes last. */
  async writeOutputs(files: readonly OutputFile[]): Promise<WrittenFile[]> {
    if (!this.options().dryRun) return writeOutputs(files, this.#writeOptions());
    for (const { path } of files) {
      await this.checkOutput(path);
      this.reporter.info(`dry run: would write ${path}`);
    }
    return [];
  }

  /** The files a model makes at `path`, by --external-data: large weights go beside it, to `path`.data. */
  async modelFiles(path: string, model: Model): Promise<ModelFile[]> {
    const { modelFiles } = await import("@equant/core/node");
    const { externalData = "auto" } = this.options<Partial<ModelOutputOptions>>();
    return modelFiles(model, resolve(this.io.cwd, path), { externalData: path === "-" ? "inline" : externalData });
  }

  /** Writes a model, all its files or none, `-` is stdout; returns its bytes together. */
  async writeModel(path: string, model: Model): Promise<number> {
    const files = await this.modelFiles(path, model);
    if (path === "-") await this.writeOutput(path, files[0]!.data);
    else await this.writeOutputs(files);
    return files.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** A table in the format of --table. */
  table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
    return renderTable(columns, rows, this.options().table);
  }

  #writeOptions() {
    const overwrite = this.options<OutputOptions>().overwrite ?? false;
    return { overwrite, inputs: this.#inputs, cwd: this.io.cwd };
  }

  #takeStdout(): void {
    if (this.options().json) {
      throw new OptionsError("E2006", "output - and --json both want stdout", {
        hint: "write the output to a file with -o FILE, or leave out --json",
      });
    }
    this.stdoutTaken = true;
  }

  #warningLine({ code, message, layer }: Warning): string {
    return `${this.reporter.style.yellow(`warning[${code}]:`)} ${message}${layer === undefined ? "" : ` (${layer})`}`;
  }
}
