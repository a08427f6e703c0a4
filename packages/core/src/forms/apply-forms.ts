import { OptionsError } from "../errors.js";
import { labelOf, type Model, type Node } from "../graph/index.js";
import { type LinearLayer, linearLayerOf } from "../operators/index.js";
import { matchingNodes } from "../quantize/exclude.js";
import type { Skip, Transform, TransformReport } from "../runtime/index.js";
import { writeBlockDequantize } from "./block-dequantize.js";
import { type BlockIntegers, type BlockOptions, blockIntegers } from "./block-integers.js";
import { writeDynamic } from "./dynamic-int8.js";
import { recurrentLayerOf, writeDynamicLstm } from "./dynamic-lstm.js";
import { FormWriter } from "./form-writer.js";
import { type EmbeddingTable, embeddingTableOf, writeInt4Rows, writeInt8Rows } from "./integer-rows.js";
import { writeMatMulNBits } from "./matmul-nbits.js";
import { writeNf4 } from "./nf4.js";
import { type OutputRows, outputRows } from "./output-rows.js";
import { BLOCK_WIDTHS, FORMS, type FormFacts, type FormName, type FormRule, type FormTaker } from "./table.js";

/** Integers of a layer's blocks, where something better than rounding to nearest has chosen them. */
export type BlockRounding = (layer: LinearLayer, rows: OutputRows, options: BlockOptions) => BlockIntegers;

/** Options of {@link applyForms}. */
export interface FormsOptions {
  /** Of several rules that match a layer and can be given to it, the last one counts. */
  readonly rules: readonly FormRule[];
  /** How blocks are rounded. Default: to the nearest integer on the grid that loses least. */
  readonly round?: BlockRounding;
}

/** A layer that took a form. */
export interface FormedLayer {
  readonly node: string;
  readonly opType: string;
  readonly form: FormName;
  /** Bytes of its weights before. */
  readonly bytes: number;
}

export interface FormsReport extends TransformReport {
  readonly transform: "forms";
  readonly layers: readonly FormedLayer[];
}

/**
 * Gives layers other forms: what their weights are stored as and computed with. Needs no data: activations stay float, or are rounded
 * while the network runs. Fold the model first, so that weights are constants of the graph.
 * Skips, with a reason: weights that are computed, no float32, shared in another form, or narrower than the form allows.
 * @throws {OptionsError} E2002 a width that blocks cannot have; E2103 a pattern that no node matches.
 * @example await applyForms({ rules: [{ match: "*", form: "dynamic-int8" }, { match: "*", form: "rows-8" }] })(model, {});
 */
export function applyForms(options: FormsOptions): Transform<FormsReport> {
  for (const { width, match } of options.rules) {
    if (width === undefined || BLOCK_WIDTHS.includes(width)) continue;
    throw new OptionsError(
      "E2002",
      `forms: '${match}': blocks of ${width}, expected one of ${BLOCK_WIDTHS.join(", ")}`,
      {
        actual: width,
        expected: [...BLOCK_WIDTHS],
      },
    );
  }
  return (model) => {
    const writer = new FormWriter(model);
    const rules = options.rules.map((rule) => ({ rule, nodes: matchingNodes(model.graph, rule.match) }));
    const layers: FormedLayer[] = [];
    const skipped: Skip[] = [];
    for (const node of [...model.graph.nodes]) {
      const target = targetOf(writer, node);
      if (!target) continue;
      const { taker } = target;
      const { rule } = rules.findLast(({ rule, nodes }) => nodes.has(node) && takes(rule.form, taker)) ?? {};
      if (!rule || rule.form === "float32") continue;
      const label = labelOf(node);
      const reason = opsetReason(model, rule.form) ?? target.write(rule, options.round ?? roundToNearest);
      if (reason !== undefined) skipped.push({ node: label, opType: node.opType, reason });
      else layers.push({ node: label, opType: node.opType, form: rule.form, bytes: target.bytes });
    }
    writer.finish();
    return { transform: "forms", modified: layers.length > 0, skipped, layers };
  };
}

const roundToNearest: BlockRounding = (_layer, rows, options) => blockIntegers(rows, options);

/** A node that can take a form; `write` gives the reason where it cannot after all. */
interface Target {
  readonly taker: FormTaker;
  readonly bytes: number;
  write(rule: FormRule, round: BlockRounding): string | undefined;
}

function targetOf(writer: FormWriter, node: Node): Target | undefined {
  const layer = linearLayerOf(writer.graph, node);
  if (layer && layer.opType !== "ConvTranspose") {
    const taker = layer.convolves ? "conv" : "matmul";
    const bytes = layer.tensor.byteLength ?? 0;
    return { taker, bytes, write: (rule, round) => writeLayer(writer, layer, rule, round) };
  }
  const table = embeddingTableOf(writer, node);
  if (table) {
    const bytes = table.tensor.byteLength ?? 0;
    return { taker: "embedding", bytes, write: (rule) => writeTable(writer, table, rule) };
  }
  const recurrent = recurrentLayerOf(writer, node);
  if (!recurrent) return undefined;
  const bytes = recurrent.weights.reduce((sum, { byteLength = 0 }) => sum + byteLength, 0);
  return {
    taker: "lstm",
    bytes,
    write: () => {
      writeDynamicLstm(writer, recurrent);
      return undefined;
    },
  };
}

const takes = (form: FormName, taker: FormTaker) => (FORMS[form].takes as readonly FormTaker[]).includes(taker);

function opsetReason({ opsets }: Model, form: FormName): string | undefined {
  const { opset }: FormFacts = FORMS[form];
  const own = opsets.get("") ?? 0;
  return own >= opset ? undefined : `needs opset ${opset}, the model has ${own}: upgrade it first`;
}

function writeLayer(writer: FormWriter, layer: LinearLayer, rule: FormRule, round: BlockRounding): string | undefined {
  const rows = outputRows(layer);
  if (!rows) return "its weights are no matrix of float32";
  const { form, granularity = "per-channel", storage = "uint8", accuracyLevel = 0 } = rule;
  if (form === "dynamic-int8") {
    writeDynamic(writer, layer, rows, { granularity, storage });
    return undefined;
  }
  const { width = 32, asymmetric = false } = rule;
  if (rows.inputs < width) return `${rows.inputs} weights a row, fewer than a block of ${width}`;
  if (form === "nf4") {
    writeNf4(writer, layer, rows, width);
    return undefined;
  }
  const bits = FORMS[form].bits as BlockOptions["bits"];
  const integers = () => round(layer, rows, { bits, width, symmetric: !asymmetric });
  if (form === "blocks-8" || form === "blocks-4") {
    writeMatMulNBits(writer, layer, integers(), accuracyLevel);
    return undefined;
  }
  if (rows.inputs % width !== 0) return `${rows.inputs} weights a row are no whole blocks of ${width}`;
  writeBlockDequantize(writer, layer, integers());
  return undefined;
}

function writeTable(writer: FormWriter, table: EmbeddingTable, { form, width = 32 }: FormRule): string | undefined {
  if (form === "rows-8") {
    writeInt8Rows(writer, table);
    return undefined;
  }
  if (table.width % width !== 0) return `rows of ${table.width} are no whole blocks of ${width}`;
  writeInt4Rows(writer, table, width);
  return undefined;
}
