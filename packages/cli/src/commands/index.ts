import type { CommandEntry } from "../frame/command.js";

/** All commands, in the order of the help. Adding one: a file in this folder and a line here (docs/cli.md). */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "compress",
    summary: "everything in one go: a small, verified integer model",
    load: async () => (await import("./compress.js")).compress,
  },
  {
    name: "inspect",
    summary: "what a model is made of: operators, sizes, ranges, findings",
    load: async () => (await import("./inspect.js")).inspect,
  },
  {
    name: "calibrate",
    summary: "run a model over images and write the statistics of its values",
    load: async () => (await import("./calibrate.js")).calibrate,
  },
  {
    name: "quantize",
    summary: "quantize a model to integers and verify the result",
    load: async () => (await import("./quantize.js")).quantize,
  },
  {
    name: "validate",
    summary: "measure a model on data: accuracy, drop, size, latency; gates for CI",
    load: async () => (await import("./validate.js")).validate,
  },
  {
    name: "compare",
    summary: "models or runs side by side: size, accuracy, agreement, latency, the front",
    load: async () => (await import("./compare.js")).compare,
  },
  {
    name: "equalize",
    summary: "scale channels, the function unchanged, so that quantizing loses less",
    load: async () => (await import("./equalize.js")).equalize,
  },
  {
    name: "debug",
    summary: "which layers lose signal when the model is quantized, and why",
    load: async () => (await import("./debug.js")).debug,
  },
  {
    name: "ablate",
    summary: "what each equalization is worth: weights, activations or both rounded",
    load: async () => (await import("./ablate.js")).ablate,
  },
  {
    name: "prune",
    summary: "remove weights or channels, step by step; masks, fine-tuning",
    load: async () => (await import("./prune.js")).prune,
  },
  {
    name: "tune",
    summary: "search for a recipe within limits of accuracy and size: the Pareto front",
    load: async () => (await import("./tune.js")).tune,
  },
  {
    name: "train",
    summary: "train the digit network from scratch, or a classifier further",
    load: async () => (await import("./train.js")).train,
  },
  {
    name: "run",
    summary: "execute a config file: every step, the gates, the output folder",
    load: async () => (await import("./run.js")).run,
  },
  {
    name: "export",
    summary: "a quantized file in the form another tool reads",
    load: async () => (await import("./export.js")).exportCommand,
  },
  {
    name: "transformers",
    summary: "the file set that transformers.js loads, measured against the float files",
    load: async () => (await import("./transformers.js")).transformers,
  },
  {
    name: "report",
    summary: "draw a run's report.json: a page, or one chart as SVG",
    load: async () => (await import("./report.js")).report,
  },
  {
    name: "demo",
    summary: "quantize the embedded digit network and show what it is worth",
    load: async () => (await import("./demo.js")).demo,
  },
  {
    name: "view",
    summary: "the app in a browser on this machine, or a report",
    load: async () => (await import("./view.js")).view,
  },
  {
    name: "worker",
    summary: "run networks for commands on other machines: serves a queue",
    load: async () => (await import("./worker.js")).worker,
  },
  {
    name: "doctor",
    summary: "versions, runtime, threads and memory of this machine",
    load: async () => (await import("./doctor.js")).doctor,
  },
  {
    name: "init",
    summary: "write a config file for equant run",
    load: async () => (await import("./init.js")).init,
  },
  {
    name: "schema",
    summary: "JSON Schema of a file that equant reads or writes",
    load: async () => (await import("./schema.js")).schema,
  },
  {
    name: "completion",
    summary: "completion script for bash, zsh, fish or powershell",
    load: async () => (await import("./completion.js")).completion,
  },
  {
    name: "__complete",
    summary: "names for the completion scripts",
    hidden: true,
    load: async () => (await import("./complete.js")).complete,
  },
];
