import { fileError } from "../data/errors.js";
import { openNpy } from "../data/npy.js";
import { tensorOf } from "../data/record-input.js";
import { type HostTensor, isFixed, type SignatureInput } from "../graph/index.js";
import { diskFile, kindOf } from "./data-folder.js";

/**
 * An input that is the same in all samples: an .npy file with the input's own shape, or a number, written instead of a path, for all of it.
 * @throws {DataError} E5001 no such file; E5002 damaged; E5003 another shape.
 */
export async function readConstantInput(path: string, input: SignatureInput): Promise<HostTensor> {
  const number = Number(path.slice(path.lastIndexOf("/") + 1));
  const dims = (input.dims ?? []).map((dim) => (isFixed(dim) ? dim : 1));
  if (Number.isFinite(number)) {
    const size = dims.reduce((product, dim) => product * dim, 1);
    return tensorOf(input, dims, new Array<number>(size).fill(number), path);
  }
  if ((await kindOf(path)) !== "file") throw fileError("E5001", path, "does not exist", "Check the path of the input.");
  const array = await openNpy(diskFile(path, path));
  const { shape } = array;
  const fits = shape.length === dims.length && input.dims!.every((dim, axis) => !isFixed(dim) || dim === shape[axis]);
  if (input.dims && !fits) {
    throw fileError(
      "E5003",
      path,
      `has shape [${shape.join(", ")}], input "${input.name}" takes [${dims.join(", ")}]`,
      "Save it in the input's own shape.",
      {
        expected: [...input.dims],
        actual: [...shape],
      },
    );
  }
  return tensorOf(input, shape, await array.all(), path);
}
