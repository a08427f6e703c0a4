import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { PreconditionError, RunError } from "@equant/core/errors";
import { readInput } from "../files/model-file.js";
import type { CommandDefinition, CommandOutcome } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";
import { integer } from "../options/options.js";

interface ViewOptions {
  port: number;
}

/** `equant view`: the app, or a report, in a browser on this machine. */
export const view: CommandDefinition = {
  echoSettings: false,
  configure(command) {
    command
      .description("Serves the app on this machine only, or shows a report, until Ctrl+C. Nothing is uploaded.")
      .argument("[report]", "a report.json to show")
      .optionsGroup("Options:")
      .addOption(integer("--port <n>", "port on 127.0.0.1; 0 takes a free one", { min: 0, max: 65_535 }, 0));
  },
  async run(context: CommandContext, path: string | undefined): Promise<CommandOutcome> {
    const { port } = context.options<ViewOptions>();
    const pages = new Map<string, string>();
    if (path !== undefined) {
      const [{ readReport }, { renderReport }] = await Promise.all([
        import("@equant/report"),
        import("@equant/report/node"),
      ]);
      const text = new TextDecoder().decode(await readInput(path, context.io));
      pages.set("/report/", renderReport(readReport(text, path)));
    }
    const { appFolder, createAppServer } = await import("./app-server.js");
    const folder = appFolder();
    if (folder === undefined) {
      throw new PreconditionError("E3001", "view: the app is not built", { hint: "npm run build" });
    }
    const server = createAppServer(folder, pages);
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
