import { COMMANDS } from "../commands/index.js";

/** The text of `equant --help`. Written here and not by commander, which takes longer to load than to print it. */
export function programHelp(): string {
  const listed = [
    ...COMMANDS.filter((entry) => !entry.hidden),
    { name: "help <command>", summary: "arguments and options of a command" },
  ];
  const width = Math.max(...listed.map(({ name }) => name.length));
  const commands = listed.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
  return `Usage: equant <command> <input> [options]

Post-training compression of ONNX models: equalize, calibrate, quantize, verify, explain.

Commands:
${commands.join("\n")}

Options:
  -V, --version  print the version
  -h, --help     show this help, or that of a command

Exit codes:
  0 done · 1 gate failed · 2 usage or config · 3 model missing or invalid · 4 unsupported operator or feature
  5 data · 6 memory or disk · 7 numeric · 70 bug in equant · 130/143 interrupted
`;
}
