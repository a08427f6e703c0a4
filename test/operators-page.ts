import { INTERVAL_RULES } from "../packages/core/src/bounds/rules.js";
import { CHANNEL_RULES } from "../packages/core/src/channels/rules.js";
import { SCALING_RULES } from "../packages/core/src/equalize/scaling-rules.js";
import { IDENTITY_RULES } from "../packages/core/src/fold/remove-identity.js";
import { UPGRADE_RULES } from "../packages/core/src/fold/upgrade-rules.js";
import { GRADIENT_RULES } from "../packages/core/src/gradient/rules/index.js";
import { OPERATORS, type OperatorFacts } from "../packages/core/src/operators/facts.js";
import { LINEAR_RULES } from "../packages/core/src/prune/linear-rules.js";
import { TARGETS, type TargetSpec } from "../packages/core/src/quantize/targets.js";

const INTRODUCTION = `# Operators

What equant knows of each operator and what each analysis does with it. The columns come from
\`packages/core/src/operators/facts.ts\` and from the rule tables of the analyses; an empty cell is what is missing.
\`npm run docs:operators\` writes this page.

| column | what a cell says |
|---|---|
| learned | positions of the inputs that training changes |
| MACs | how multiply–accumulate operations are counted |
| fold | what folding makes of it: \`constant\` with constants only (every operator that is not random), \`removed\` where it gives back its input, \`absorbed\` by the layer before or behind it, \`upgraded\` from older opsets |
| channels | channels are followed through it |
| factor | what a factor of equalization does at it |
| bounds | bounds of its output follow from those of its input |
| shrink | channels can be removed around it |
| SynFlow | what becomes of it in the network of positive paths |
| gradient | it can be differentiated |
| targets | its form on integers: a scale of its \`own\`, the \`shared\` one of its input, \`fused\` with what is before it |
| onnxruntime | measured on the graph that ONNX Runtime 1.30 executes on CPU: an integer \`kernel\`, or conversions \`pass\` it |
`;

const yes = (known: boolean) => (known ? "●" : "");

/** Whatever depends on constants only is computed, but for what is random, may not end, or would be stored as float again. */
const NOT_FOLDED: readonly OperatorFacts["kind"][] = ["random", "quantize", "loop"];

function folding(name: string, facts: OperatorFacts): string {
  const absorbed = facts.byChannel !== undefined || (facts.kind === "arithmetic" && facts.learned !== undefined);
  return [
    !NOT_FOLDED.includes(facts.kind) && "constant",
    IDENTITY_RULES.has(name) && "removed",
    absorbed && name !== "InstanceNormalization" && "absorbed",
    UPGRADE_RULES.has(name) && "upgraded",
  ]
    .filter((word) => word !== false)
    .join(", ");
}

function onTarget(name: string, target: TargetSpec): string {
  const forms: readonly [string, ReadonlySet<string>][] = [
    ["weights", target.layers],
    ["own", target.operators],
    ["shared", target.movers],
    ["fused", target.fused],
  ];
  return forms.flatMap(([form, operators]) => (operators.has(name) ? [form] : [])).join(", ");
}

/** The page docs/operators.md: operators × analyses. */
export function operatorsPage(): string {
  // Targets that treat all operators alike share a column.
  const columns = new Map<string, string[]>();
  for (const [target, spec] of Object.entries(TARGETS)) {
    const key = JSON.stringify([...OPERATORS.keys()].map((name) => onTarget(name, spec)));
    columns.set(key, [...(columns.get(key) ?? []), target]);
  }
  const targets = [...columns.values()];
  const head = ["operator", "kind", "learned", "MACs", "fold", "channels", "factor", "bounds", "shrink", "SynFlow"];
  const titles = [...head, "gradient", ...targets.map((names) => names.join(", ")), "onnxruntime"];
  const rows = [...OPERATORS].map(([name, facts]) => {
    const isLayer = facts.kind === "layer";
    const hasChannels = isLayer || CHANNEL_RULES.has(name);
    return [
      name,
      facts.kind,
      facts.learned?.join(", ") ?? "",
      facts.macs?.formula ?? "",
      folding(name, facts),
      yes(hasChannels),
      isLayer ? "layer" : (SCALING_RULES.get(name)?.kind ?? ""),
      yes(isLayer || INTERVAL_RULES.has(name)),
      yes(hasChannels),
      LINEAR_RULES.get(name) ?? "",
      yes(GRADIENT_RULES.has(name)),
      ...targets.map(([first]) => onTarget(name, TARGETS[first as keyof typeof TARGETS])),
      facts.ort ?? "",
    ];
  });
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [INTRODUCTION, line(titles), line(titles.map(() => "---")), ...rows.map(line), ""].join("\n");
}
