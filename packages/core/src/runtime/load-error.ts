import { RunError } from "../errors.js";

/** How ONNX Runtime names an operator that it has no schema or no kernel for; the operator is the first group. */
const UNSUPPORTED: readonly RegExp[] = [
  /([\w.]*:?\w+)\(-?\d+\) is not a registered function\/op/,
  /No Op registered for (\w+) with domain_version/,
  /Could not find an implementation for (\w+)\(-?\d+\) node with name '([^']*)'/,
];

/** A version of the operator set that ONNX Runtime does not know yet: that of the model, and the newest it reads. */
const TOO_NEW = /Opset (\d+) is under development[\s\S]*support for domain \S+ is till opset (\d+)/;

/** The typed error for a model that ONNX Runtime does not open: E6001 where memory is, E4001 where an operator is the reason, E4002 where the opset is too new, else E6003. */
export function loadError(purpose: string, message: string, cause: unknown): RunError {
  if (/bad_?alloc|failed to allocate|cannot allocate memory|out of memory/i.test(message)) {
    const hint = "close other programs, raise the limit (ulimit -v unlimited), or use a machine with more memory";
    return new RunError("E6001", `${purpose}: not enough memory to load the model (${message})`, { hint }, cause);
  }
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
  const [, opset, newest] = TOO_NEW.exec(message) ?? [];
  if (opset !== undefined) {
    return new RunError(
      "E4002",
      `${purpose}: opset ${opset} is newer than ONNX Runtime reads (up to ${newest})`,
      {
        expected: `up to ${newest}`,
        actual: Number(opset),
        hint: "export the model with opset 17 to 21, or convert it: onnx.version_converter.convert_version(model, 21)",
      },
      cause,
    );
  }
  return new RunError("E6003", `${purpose}: ONNX Runtime cannot load the model (${message})`, {}, cause);
}
