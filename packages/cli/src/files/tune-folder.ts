import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { DataError, OptionsError } from "@equant/core/errors";
import type { TuneReport, TuneState, TuneTrial } from "@equant/core/lab";
import type { CommandContext } from "../frame/context.js";
import { toJson } from "../frame/envelope.js";
import { readText } from "./model-file.js";
import { writeOutputs } from "./output-file.js";

/** What a search depends on: with another of these its trials say nothing. */
export type Fingerprint = Readonly<Record<string, unknown>>;

const SCHEMA = "equant.tune-folder/1";

/** The output folder of `equant tune`: state.json after every trial, models of the front in models/. */
export class TuneFolder {
  /** Trials of a search that this one replaces. */
  #replaced: string[] = [];

  constructor(
    readonly context: CommandContext,
    readonly folder: string,
    readonly fingerprint: Fingerprint,
  ) {}

  modelPath(id: string): string {
    return join(this.folder, "models", `${id}.onnx`);
  }

  /**
   * The state that an earlier run left; undefined where there is none, or with --overwrite.
   * @throws {OptionsError} E2006 it belongs to another search. @throws {DataError} E5002 it cannot be read.
   */
  async earlier(): Promise<TuneState | undefined> {
    const { overwrite } = this.context.options<{ overwrite?: boolean }>();
    const path = join(this.folder, "state.json");
    const text = await readText(path, this.context.io).catch((error: Error) => {
      if ((error.cause as NodeJS.ErrnoException)?.code === "ENOENT") return undefined;
      throw error;
    });
    if (text === undefined) return undefined;
    if (overwrite) {
      this.#replaced = [...text.matchAll(/"id":\s*"([a-z0-9.-]+)"/g)].map((match) => match[1]!);
      return undefined;
    }
    const hint = "choose another folder, or start anew with --overwrite";
    let json: { schema?: string; search?: unknown; state?: TuneState };
    try {
      json = JSON.parse(text);
    } catch (error) {
      throw new DataError("E5002", `${path}: not JSON, or cut off`, { file: path, hint }, error);
    }
    if (json.schema !== SCHEMA || !Array.isArray(json.state?.trials)) {
      throw new DataError("E5002", `${path}: not the state of a search`, { file: path, expected: SCHEMA, hint });
    }
    if (JSON.stringify(json.search) !== JSON.stringify(this.fingerprint)) {
      throw new OptionsError("E2006", `${path} belongs to a search with another model, data or options`, {
        file: path,
        expected: JSON.stringify(this.fingerprint),
        actual: JSON.stringify(json.search),
        hint,
      });
    }
    return json.state;
  }

  /** Saves a trial: first its model, if it is on the front, then the state that knows it. */
  async save(
    trial: TuneTrial,
    bytes: Uint8Array | undefined,
    state: TuneState,
    front: readonly string[],
  ): Promise<void> {
    const json = { schema: SCHEMA, search: this.fingerprint, state };
    const model = bytes && front.includes(trial.id) ? [{ path: this.modelPath(trial.id), data: bytes }] : [];
    await this.#write([...model, { path: join(this.folder, "state.json"), data: toJson(json) }]);
  }

  /** Removes models of trials that are not on the front. */
  async tidy({ trials, front }: Pick<TuneReport, "trials" | "front">): Promise<void> {
    if (this.context.options().dryRun) return;
    const gone = [...this.#replaced, ...trials.map(({ id }) => id)].filter((id) => !front.includes(id));
    for (const id of gone) await rm(resolve(this.context.io.cwd, this.modelPath(id)), { force: true });
  }

  /** Writes a result file; what an earlier run of this search wrote may be replaced. */
  async write(name: string, data: string): Promise<void> {
    await this.#write([{ path: join(this.folder, name), data }]);
  }

  async #write(files: readonly { path: string; data: string | Uint8Array }[]): Promise<void> {
    if (this.context.options().dryRun) return;
    await writeOutputs(files, { overwrite: true, cwd: this.context.io.cwd });
  }
}
