import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { OptionsError, PreconditionError, RunError } from "@equant/core/errors";
import { readText } from "../files/model-file.js";
import type { CommandDefinition, CommandOutcome } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";
import { integer, text } from "../options/options.js";

interface ViewOptions {
  port: number;
  allowFrame?: string;
}

/** `equant view`: the app, or a report, in a browser on this machine. */
export const view: CommandDefinition = {
  echoSettings: false,
  configure(command) {
    command
      .description("Serves the app on this machine only, or shows a report, until Ctrl+C. Nothing is uploaded.")
      .argument("[report]", "a report.json to show")
      .optionsGroup("Options:")
      .addOption(integer("--port <n>", "port on 127.0.0.1; 0 takes a free one", { min: 0, max: 65_535 }, 0))
      .addOption(text("--allow-frame <origin>", "site whose pages may show this one in a frame (default: none)"));
  },
  async run(context: CommandContext, path: string | undefined): Promise<CommandOutcome> {
    const { port, allowFrame } = context.options<ViewOptions>();
    const framing = allowFrame === undefined ? {} : { frameAncestors: originOf(allowFrame) };
    const pages = new Map<string, string>();
    if (path !== undefined) {
      const [{ readReport }, { renderReport }] = await Promise.all([
        import("@equant/report"),
        import("@equant/report/node"),
      ]);
      const json = await readText(path, context.io);
      pages.set("/report/", renderReport(readReport(json, path)));
    }
    const { appFolder, createAppServer } = await import("./app-server.js");
    const folder = appFolder();
    if (folder === undefined) {
      throw new PreconditionError("E3001", "view: the app is not built", { hint: "npm run build" });
    }
    const server = createAppServer(folder, pages, framing);
    const failed = once(server, "error").then(([error]) => {
      throw new RunError(
        "E6002",
        `view: cannot listen on port ${port} (${(error as Error).message})`,
        { hint: "leave --port out to take a free one" },
        error,
      );
    });
    server.listen(port, "127.0.0.1");
    await Promise.race([once(server, "listening"), failed]);
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/${path === undefined ? "" : "report/"}`;
    context.reporter.always(`${url}\npress Ctrl+C to stop\n`);
    failed.catch(() => undefined);
    await new Promise<void>((stop) => {
      if (context.signal.aborted) stop();
      else context.signal.addEventListener("abort", () => stop(), { once: true });
    });
    server.closeAllConnections();
    server.close();
    return { result: { url }, text: "" };
  },
};

/** @throws {OptionsError} E2002 what is no origin: it would become part of a header. */
function originOf(value: string): string {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url && /^https?:$/.test(url.protocol) && url.origin === value.replace(/\/$/, "")) return url.origin;
  throw new OptionsError("E2002", `--allow-frame: '${value}' is not the origin of a site`, {
    actual: value,
    hint: "write it like https://example.org",
  });
}
