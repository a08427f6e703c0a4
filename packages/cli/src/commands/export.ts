import { EXPORTS, type ExportName } from "@equant/core/steps";
import type { CommandDefinition, CommandOutcome } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";
import { addOutputOptions, type OutputOptions } from "../options/option-groups.js";
import { choice } from "../options/options.js";

interface ExportCommandOptions extends OutputOptions {
  as: ExportName;
  output: string;
}

/** `equant export`: a quantized file in the form another tool reads. No data are needed. */
export const exportCommand: CommandDefinition = {
  echoSettings: false,
  configure(command) {
    command
      .description(
        "Writes what another tool reads of a Q/DQ file, whoever made it: AIMET's encodings, TensorRT's calibration cache or dynamic ranges, ONNX Runtime's calibration, a FakeQuantize model for OpenVINO, or a C header. No data are needed.",
      )
      .argument("<model>", "the quantized ONNX file")
      .optionsGroup("Options:")
      .addOption(choice("--as <form>", "what is written", EXPORTS).makeOptionMandatory());
    addOutputOptions(command, { file: "where it is written; - is stdout", required: true });
  },
  async run(context: CommandContext, path: string): Promise<CommandOutcome> {
    const { as, output } = context.options<ExportCommandOptions>();
    await context.checkOutput(output);
    const core = await import("@equant/core/lab");
    const { model } = await context.loadModel(path);
    if (as === "openvino") await context.writeModel(output, core.fakeQuantizeModel(model));
    else await context.writeOutput(output, core.exportQuantized(model, as));
    return { result: { output, as }, text: `${path} \u2192 ${output} (${as})\n` };
  },
};
