import { linearLayers, type Model, parseModel, serializeModel, Tensor } from "@equant/core/lab";

/** How much wider the channel becomes: most of the others round to zero. */
export const WIDTH = 1024;
const CHANNEL = 3;

/**
 * The digit network with one channel of conv_2 made 1024 times as wide and read as much weaker: it computes the same, and quantized
 * with one scale a tensor it does not. Networks come so from training (Meller et al. 2019); here it is made, for the demo.
 */
export function wideDigits(bytes: Uint8Array): Uint8Array {
  const model = parseModel(bytes, { file: "digits.onnx" });
  const layers = linearLayers(model.graph);
  const at = layers.findIndex(({ node }) => node.name === "conv_2");
  const [wide, reader] = [layers[at]!, layers[at + 1]!];
  scale(model, wide.weight, WIDTH, (flat, [, inputs = 1, height = 1, width = 1]) =>
    Math.floor(flat / (inputs * height * width)),
  );
  scale(model, wide.bias!, WIDTH, (flat) => flat);
  scale(
    model,
    reader.weight,
    1 / WIDTH,
    (flat, [, inputs = 1, height = 1, width = 1]) => Math.floor(flat / (height * width)) % inputs,
  );
  return serializeModel(model);
}

/** Multiplies the values of one channel; powers of two lose nothing. */
function scale(
  { graph }: Model,
  name: string,
  factor: number,
  channelOf: (flat: number, dims: readonly number[]) => number,
): void {
  const tensor = graph.initializers.get(name)!;
  const values = (tensor.array() as Float32Array).map((value, flat) =>
    channelOf(flat, tensor.dims) === CHANNEL ? value * factor : value,
  );
  graph.initializers.set(name, Tensor.float32([...tensor.dims], values));
}
