import { RunError } from "../errors.js";

/** How ONNX Runtime names an operator that it has no schema or no kernel for; the operator is the first group. */
const UNSUPPORTED: readonly RegExp[] = [
  /([\w.]*:?\w+)\(-?\d+\) is not a registered function\/op/,
  /No Op registered for (\w+) with domain_version/,
  /Could not find an implementation for (\w+)\(-?\d+\) node with name '([^']*)'/,
];

/** The typed error for a model that ONNX Runtime does not open: E4001 where an operator is the reason, else E6003. */
export function loadError(purpose: string, message: string, cause: unknown): RunError {
  for (const pattern of UNSUPPORTED) {
    const [, operator, node] = pattern.exec(message) ?? [];
    if (operator === undefined) continue;
    const opType = operator.replace(/^.*:/, "");
    return new RunError(
      "E4001",
      `${purpose}: ONNX Runtime has no operator ${opType}${operator === opType ? "" : ` of ${operator.slice(0, -opType.length - 1)}`} (${message})`,
      {
        opType,
        ...(node && { node }),
        hint: "export the model with standard ONNX operators; the version in the message may be too old or too new for it",
      },
      cause,
    );
  }
  return new RunError("E6003", `${purpose}: ONNX Runtime cannot load the model (${message})`, {}, cause);
}
