import { closeSync, openSync, writeSync } from "node:fs";
import { resolve } from "node:path";
import { stripVTControlCharacters } from "node:util";
import type { Io } from "../files/io.js";
import { fromSystemError } from "../files/system-errors.js";
import type { ColorMode, ProgressMode } from "../options/option-groups.js";
import { type Paint, paint, useColor } from "../text/color.js";
import { jsonView, NO_PROGRESS, Progress, type ProgressView, plainView, resolveMode } from "../text/progress.js";
import { ttyView } from "../text/progress-tty.js";
import { visible, visibleLines } from "../text/visible.js";

export interface ReporterOptions {
  quiet?: boolean;
  verbose?: boolean;
  progress?: ProgressMode;
  color?: ColorMode;
  log?: string;
}

/** Everything a person is told besides the result: on stderr, and in the log file. */
export class Reporter {
  readonly style: Paint;
  readonly color: boolean;
  readonly isVerbose: boolean;
  readonly progress: Progress;
  readonly #io: Io;
  readonly #quiet: boolean;
  #log: number | undefined;

  constructor(io: Io, options: ReporterOptions = {}) {
    this.#io = io;
    this.#quiet = options.quiet ?? false;
    this.isVerbose = options.verbose ?? false;
    this.color = useColor(options.color ?? "auto", io.env, io.stderr);
    this.style = paint(this.color);
    if (options.log !== undefined) this.#log = openLog(resolve(io.cwd, options.log), options.log);
    this.progress = new Progress(this.#view(options.progress ?? "auto"), () => io.now());
  }

  #view(mode: ProgressMode): ProgressView {
    // Quiet silences what is for people; NDJSON was asked for by a program.
    if (this.#quiet && mode !== "json") return NO_PROGRESS;
    const write = (line: string) => this.#write(`${line}\n`);
    switch (resolveMode(mode, this.#io.env, this.#io.stderr.isTTY === true)) {
      case "tty":
        return ttyView(this.#io.stderr, this.style);
      case "plain":
        return plainView(write);
      case "json":
        return jsonView(write);
      case "none":
        return NO_PROGRESS;
    }
  }

  /** A line about what is happening; silent with --quiet. */
  info(line: string): void {
    this.#say(`${visibleLine(line)}\n`, !this.#quiet);
  }

  /** Detail that only --verbose shows; always in the log file. */
  detail(line: string): void {
    this.#say(`${this.style.dim(visibleLine(line))}\n`, this.isVerbose && !this.#quiet);
  }

  hint(text: string): void {
    this.info(`${this.style.cyan("hint:")} ${text}`);
  }

  /** Text that is shown whatever the options: errors, failed gates. */
  always(text: string): void {
    this.#say(visibleLines(text), true);
  }

  #say(text: string, visible: boolean): void {
    if (visible) {
      this.progress.clear();
      this.#write(text);
    } else {
      this.#toLog(text);
    }
  }

  #write(text: string): void {
    this.#io.stderr.write(text);
    this.#toLog(text);
  }

  #toLog(text: string): void {
    if (this.#log !== undefined) writeSync(this.#log, stripVTControlCharacters(text));
  }

  close(): void {
    this.progress.clear();
    if (this.#log !== undefined) closeSync(this.#log);
    this.#log = undefined;
  }
}

/** What is said on one line stays on one. */
function visibleLine(line: string): string {
  return visibleLines(line).replace(/[\n\t]/g, visible);
}

function openLog(path: string, name: string): number {
  try {
    return openSync(path, "a");
  } catch (error) {
    throw fromSystemError(error, "write", name);
  }
}
