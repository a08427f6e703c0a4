import { OptionsError } from "@equant/core/errors";
import type { InspectReport, Model, ObservedType } from "@equant/core/lab";
import { type ChartOptions, svgOption } from "../files/chart-file.js";
import type { CommandDefinition, CommandOutcome } from "../frame/command.js";
import type { CommandContext } from "../frame/context.js";
import { matchNames } from "../options/match.js";
import { completing, flag, repeatable } from "../options/options.js";
import { formatBytes, formatCount } from "../text/format.js";
import { detailsText, layerText, reportText, weightsText } from "../text/inspect-text.js";
import { shellWord, visible } from "../text/visible.js";
import { writeWeightsChart } from "./inspect-chart.js";

interface InspectCommandOptions extends ChartOptions {
  names?: boolean;
  weights?: boolean;
  layer?: string[];
  run: boolean;
}

/** Running a model shows its sizes; one with more weights than this is not run for that. */
const MAX_RUN_BYTES = 1e9;
/** Neither is one that takes more than some seconds. */
const MAX_RUN_OPERATIONS = 1e11;

/** `equant inspect`: what a model is made of, and what is worth knowing before it is compressed. */
export const inspect: CommandDefinition = {
  echoSettings: false,
  configure(command) {
    command
      .description("Shows operators, parameters, operations and sizes of a model, ranges of its weights, and findings.")
      .argument("<model>", "the ONNX file")
      .optionsGroup("Options:")
      .addOption(flag("--names", "only the names of the nodes, one a line"))
      .addOption(flag("--weights", "ranges of the weights, layer by layer"))
      .addOption(
        completing(repeatable("--layer <name>", "one node in detail; may be repeated, globs allowed"), "names"),
      )
      .addOption(svgOption("the chart of --weights or --layer"))
      .addOption(flag("--overwrite", "replace the chart's file if it exists"))
      .addOption(flag("--no-run", "do not run the model to find the sizes of its values"));
  },
  async run(context: CommandContext, path: string): Promise<CommandOutcome> {
    const options = context.options<InspectCommandOptions>();
    if (options.svg !== undefined && !options.weights && !options.layer) {
      throw new OptionsError("E2005", "inspect: --svg needs --weights or --layer", {
        hint: "--weights draws all layers, --layer NAME one by channel",
      });
    }
    if (options.svg !== undefined) await context.checkOutput(options.svg);
    const { assertValid, detailsOfFile, inspectModel } = await import("@equant/core/lab");
    const { model, identity } = await context.loadModel(path);
    assertValid(model);
    const shapes = options.run && !options.names ? await observedShapes(context, model) : undefined;
    const report = await inspectModel(model, { bytes: identity.bytes, ...(shapes && { shapes }) });
    const { weights, ...rest } = report;
    if (options.names) {
      return { result: rest, text: report.nodes.map(({ name }) => `${visible(name)}\n`).join("") };
    }
    if (options.layer) {
      const outcome = await layers(model, report, options.layer, shapes);
      if (options.svg !== undefined) await drawLayer(context, options.svg, model, outcome.names);
      return outcome;
    }
    if (options.weights) {
      if (options.svg !== undefined) await writeWeightsChart(context, options.svg, model);
      const ranges = weights.map(({ channelMax, ...range }) => ({ ...range, channels: channelMax.length }));
      return { result: { ...rest, weights: ranges }, text: weightsText(context, weights) };
    }
    const hint = hintFor(path, report);
    const details = report.quantized ? detailsOfFile(model) : undefined;
    const text = reportText(context, path, report) + (details ? detailsText(context, details) : "");
    return { result: { ...rest, quantization: details ?? null }, text, ...(hint && { hint }) };
  },
};

/** Sizes of all values from one run on zeros; undefined when the model does not run like that. */
async function observedShapes(context: CommandContext, model: Model): Promise<Map<string, ObservedType> | undefined> {
  const { CompressionError } = await import("@equant/core/errors");
  const { demandOf, observeShapes, tensorsOf, zeroFeeds } = await import("@equant/core/lab");
  const bytes = [...tensorsOf(model)].reduce((sum, { tensor }) => sum + (tensor.byteLength ?? 0), 0);
  if (bytes > MAX_RUN_BYTES) {
    context.reporter.info(`note      ${formatBytes(bytes)} of weights: not run, sizes are those the file declares`);
    return undefined;
  }
  const { bytes: largest, operations } = demandOf(model.graph);
  if (largest > MAX_RUN_BYTES || operations > MAX_RUN_OPERATIONS) {
    const why = `${formatCount(operations)} operations, values of up to ${formatBytes(largest)}`;
    context.reporter.info(`note      ${why}: not run, sizes are those the file declares`);
    return undefined;
  }
  try {
    return await observeShapes(model, zeroFeeds(model), { runner: await context.runner() });
  } catch (error) {
    if (!(error instanceof CompressionError) || error.code === "E6005") throw error;
    context.reporter.info(`note      the model does not run on zeros of batch 1: ${error.message}`);
    return undefined;
  }
}

async function drawLayer(context: CommandContext, path: string, model: Model, names: readonly string[]) {
  const [layer, ...more] = names;
  if (more.length > 0) {
    throw new OptionsError("E2005", `inspect: --svg draws one layer, --layer matches ${names.length}`, {
      hint: `for example --layer ${layer}`,
    });
  }
  await writeWeightsChart(context, path, model, layer!);
}

async function layers(
  model: Model,
  report: InspectReport,
  patterns: readonly string[],
  shapes: ReadonlyMap<string, ObservedType> = new Map(),
): Promise<CommandOutcome & { names: string[] }> {
  const { inspectLayers } = await import("@equant/core/lab");
  const names = report.nodes.map(({ name }) => name);
  const hint = "list names with  equant inspect MODEL --names";
  const wanted = new Set(matchNames(patterns, names, { option: "--layer", hint }));
  const details = inspectLayers(model, wanted, shapes).map((detail) => {
    const node = report.nodes.find(({ name }) => name === detail.name)!;
    return { detail, node, range: report.weights.find(({ name }) => name === detail.name) };
  });
  return {
    names: details.map(({ detail }) => detail.name),
    result: {
      layers: details.map(({ detail, node, range }) => ({
        ...node,
        ...detail,
        opType: node.opType,
        weights: range ?? null,
      })),
    },
    text: details.map(({ detail, node, range }) => layerText(detail, factsOf(node), range)).join("\n"),
  };
}

function factsOf(node: InspectReport["nodes"][number]): string[] {
  const facts: string[] = [];
  if (node.parameters > 0) facts.push(`parameters ${formatCount(node.parameters)}, ${formatBytes(node.bytes)}`);
  if (node.macs) facts.push(`MACs       ${formatCount(node.macs)}`);
  facts.push(`int8       ${node.quantizable}${node.reason === null ? "" : `: ${node.reason}`}`);
  return facts;
}

/** Findings after which no other step would start. */
const BLOCKING: readonly string[] = ["invalid", "nonFinite"];

function hintFor(path: string, { quantized, findings }: InspectReport): string | undefined {
  if (findings.some(({ kind }) => BLOCKING.includes(kind))) return undefined;
  return quantized
    ? `measure it with  equant validate ${shellWord(path)} --data images/`
    : `try  equant compress ${shellWord(path)} --data images/`;
}
