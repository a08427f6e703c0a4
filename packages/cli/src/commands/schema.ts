import { Argument } from "commander";
import type { CommandDefinition, CommandOutcome } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";
import { toJson } from "../frame/envelope.js";
import { parseChoice } from "../options/values.js";

/** JSON Schemas by name, each made from the zod schema that checks the real thing. */
const SCHEMAS = {
  config: async () => (await import("../config/json-schema.js")).configJsonSchema(),
  report: async () => (await import("@equant/report")).reportJsonSchema(),
} as const satisfies Record<string, () => Promise<object>>;

type SchemaName = keyof typeof SCHEMAS;
const NAMES = Object.keys(SCHEMAS) as SchemaName[];

/** `equant schema NAME`: the JSON Schema of a file that equant reads or writes. */
export const schema: CommandDefinition = {
  echoSettings: false,
  configure(command) {
    const name = new Argument("<name>", "which schema").argParser((value: string) => parseChoice("name", value, NAMES));
    name.argChoices = [...NAMES];
    command.description("Prints the JSON Schema of a file that equant reads or writes.").addArgument(name);
  },
  async run(_context: CommandContext, name: SchemaName): Promise<CommandOutcome> {
    const result = await SCHEMAS[name]();
    return { result, text: toJson(result) };
  },
};
