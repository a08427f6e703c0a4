import { CompressionError, exitCodeOf } from "@equant/core/errors";
import type { Command } from "commander";
import { type Io, writeAll } from "../files/io.js";
import { removeTemps } from "../files/temp-files.js";
import type { GlobalOptions } from "../options/option-groups.js";
import { Settings } from "../options/settings.js";
import { errorReport, renderError, toTypedError } from "../text/render-error.js";
import { visibleLines } from "../text/visible.js";
import type { CommandDefinition, CommandOutcome, Gate } from "./command.js";
import { CommandContext, type CommandListing } from "./context.js";
import { type Envelope, envelope, toJson } from "./envelope.js";
import { Reporter } from "./reporter.js";
import { listenToSignals } from "./signals.js";

/** A command that was parsed and is ready to run. */
export interface Invocation {
  readonly name: string;
  readonly definition: CommandDefinition;
  readonly command: Command;
  readonly args: readonly unknown[];
  /** All commands there are. */
  readonly commands?: readonly CommandListing[];
}

/** Runs a parsed command and prints its outcome; returns the exit code. Throws only what comes before reporting works. */
export async function execute({ name, definition, command, args, commands }: Invocation, io: Io): Promise<number> {
  const started = io.now();
  const global = command.opts<GlobalOptions>();
  const reporter = new Reporter(io, global);
  const signals = listenToSignals(io, (signal) => {
    const again = signal === "SIGINT" ? "; press Ctrl+C again to stop at once" : "";
    reporter.always(`stopping: finishing what is running${again}\n`);
  });
  let context: CommandContext | undefined;
  const report = async (parts: Partial<Envelope>): Promise<void> => {
    const timings = Object.fromEntries(
      [...Object.entries(context?.timings ?? {}), ["total", io.now() - started] as const].map(([name, ms]) => [
        name,
        Number(ms.toFixed(1)),
      ]),
    );
    const base = {
      command: name,
      model: context?.model ?? null,
      provider: context?.provider ?? null,
      settings: context?.settings.toJSON() ?? {},
      warnings: context?.warnings.toJSON() ?? [],
      timings,
    };
    await writeAll(io.stdout, toJson(envelope({ ...base, ...parts })));
  };

  try {
    const path = global.config ?? (await definition.findConfig?.(io.cwd, ...(args as never[])));
    const config = await configDefaults(definition, command, path, io);
    const unused = definition.unusedSettings?.(command.opts()) ?? [];
    const settings = definition.echoSettings === false ? new Settings() : Settings.of(command, unused);
    context = new CommandContext({
      command: name,
      io,
      options: command.opts(),
      settings,
      signal: signals.signal,
      reporter,
      config,
      commands,
    });
    echo(settings, reporter);
    const run = definition.run as (context: CommandContext, ...args: readonly unknown[]) => Promise<CommandOutcome>;
    const outcome = await run(context, ...args);

    await context.close(signals.exitCode === undefined);
    reporter.progress.clear();
    const failed = (outcome.gates ?? []).filter((gate) => !gate.passed);
    const exitCode = signals.exitCode ?? (failed.length > 0 ? 1 : 0);
    if (global.json) {
      const error = failed[0] && errorReport(gateError(failed[0], outcome.hint));
      await report({ ok: exitCode === 0, result: outcome.result, ...(error && { error }) });
    } else if (outcome.text !== "") {
      if (context.stdoutTaken) reporter.info(outcome.text.trimEnd());
      else await writeAll(io.stdout, visibleLines(outcome.text));
    }
    conclude(outcome, context);
    return exitCode;
  } catch (error) {
    await context?.close(false);
    reporter.progress.clear();
    reporter.always(renderError(error, { verbose: reporter.isVerbose, color: reporter.color }));
    const exitCode = signals.exitCode ?? exitCodeOf(toTypedError(error));
    // When stdout itself is what failed, stderr has said so.
    if (global.json) await report({ ok: false, error: errorReport(error) }).catch(() => undefined);
    return exitCode;
  } finally {
    removeTemps();
    signals.dispose();
    reporter.close();
  }
}

/** Makes the values of the config file defaults of the options; flags stay as they are. */
async function configDefaults(definition: CommandDefinition, command: Command, path: string | undefined, io: Io) {
  if (path === undefined) return undefined;
  const { loadConfig } = await import("../config/load.js");
  const { applyConfig } = await import("../config/apply.js");
  const loaded = await loadConfig(path, io.cwd);
  applyConfig(loaded, command, definition.step);
  return loaded;
}

function echo(settings: Settings, reporter: Reporter): void {
  settings.lines().forEach((line, i) => {
    reporter.info(`${i === 0 ? "settings" : "        "}  ${line}`);
  });
}

/** What follows the result on stderr: gates, warnings, hint. */
function conclude(outcome: CommandOutcome, { reporter, warnings }: CommandContext): void {
  const { green, red, yellow } = reporter.style;
  for (const gate of outcome.gates ?? []) {
    if (gate.passed) reporter.info(`${green("\u2714")} gate ${gate.name} ${gate.limit} held: ${gate.actual}`);
    else reporter.always(`${red("\u2716")} ${gateText(gate)}\n`);
  }
  const summary = warnings.summary();
  if (summary !== undefined) reporter.info(yellow(summary));
  // A model that came from a pipe, or went into one, has no name to go on with.
  if (outcome.hint !== undefined && !/(^|\s)-(\.int8\.onnx)?(\s|$)/.test(outcome.hint)) reporter.hint(outcome.hint);
}

function gateText(gate: Gate): string {
  return `gate ${gate.name} ${gate.limit} failed: ${gate.actual}`;
}

function gateError(gate: Gate, hint: string | undefined): CompressionError {
  return new CompressionError("E1001", gateText(gate), { hint, expected: gate.limit, actual: gate.actual });
}
