import { expect, it } from "vitest";
import { DataError, parseMasks, prune, serializeMasks, serializeModel, Tensor } from "../../src/lab.js";
import { smallNetwork, weightsOf } from "../train/small.js";

const names = ["conv.weight", "conv.bias", "fc.weight", "fc.bias"];

it("a mask file brings removed values back and leaves the others as they are now", async () => {
  const model = smallNetwork();
  const result = await prune(model, { method: "magnitude", sparsity: 0.6, steps: 2 }, {});
  const bytes = serializeMasks(result);
  expect(serializeMasks(result)).toEqual(bytes);
  const { masks, restore } = parseMasks(bytes);
  for (const name of names) expect(masks.get(name)!.array()).toEqual(result.masks.get(name)!.array());
  for (const name of names) expect(weightsOf(restore(result.model), name)).toEqual(weightsOf(model, name));
  // As after further training: kept weights are the file's, hidden ones the masks'.
  const trained = result.model;
  const { dims } = trained.graph.initializers.get("fc.bias")!;
  trained.graph.initializers.set("fc.bias", Tensor.float32(dims, [7, 8, 9]));
  const keep = masks.get("fc.bias")!.array();
  expect([...weightsOf(restore(trained), "fc.bias")]).toEqual(
    [7, 8, 9].map((value, i) => (keep[i] === 1 ? value : weightsOf(model, "fc.bias")[i])),
  );
});

it("what is no mask file, or of another model, is refused", async () => {
  const result = await prune(smallNetwork(), { method: "magnitude", sparsity: 0.5, steps: 1 }, {});
  for (const bytes of [new Uint8Array([1, 2, 3]), serializeModel(smallNetwork())]) {
    expect(() => parseMasks(bytes)).toThrow(expect.objectContaining({ code: "E5002" }));
  }
  const other = smallNetwork();
  other.graph.initializers.set("fc.bias", Tensor.float32([2], [1, 2]));
  const { restore } = parseMasks(serializeMasks(result));
  expect(() => restore(other)).toThrow(DataError);
});
