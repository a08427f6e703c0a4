/** A file format that people take for an ONNX model, and how to get a model from it. */
export interface ForeignFile {
  /** What the file is: `a PyTorch checkpoint`. */
  readonly what: string;
  /** What to do, one sentence. */
  readonly hint: string;
}

const EXPORT_TORCH = "export it from PyTorch: torch.onnx.export(model, example_input, 'model.onnx', opset_version=17)";
const CONVERT_TF = "convert it to ONNX first: python -m tf2onnx.convert --help";
const IMAGE: Omit<ForeignFile, "what"> = { hint: "give the ONNX model here, and images with --data" };

/** First bytes of formats that cannot be the beginning of a model. */
const MAGIC: readonly { at?: number; bytes: string | readonly number[]; file: ForeignFile }[] = [
  { bytes: [0x89, 0x50, 0x4e, 0x47], file: { what: "a PNG image", ...IMAGE } },
  { bytes: [0xff, 0xd8, 0xff], file: { what: "a JPEG image", ...IMAGE } },
  { bytes: "GIF8", file: { what: "a GIF image", ...IMAGE } },
  { bytes: "RIFF", file: { what: "a RIFF file (WebP image, sound)", ...IMAGE } },
  { bytes: [0x89, 0x48, 0x44, 0x46], file: { what: "an HDF5 file (Keras .h5 weights)", hint: CONVERT_TF } },
  {
    at: 4,
    bytes: "TFL3",
    file: {
      what: "a TensorFlow Lite model",
      hint: "convert it: python -m tf2onnx.convert --tflite model.tflite --output model.onnx",
    },
  },
  {
    at: 4,
    bytes: "ORTM",
    file: { what: "a model in ONNX Runtime's own format (.ort)", hint: "use the .onnx file that it was made from" },
  },
  { bytes: "GGUF", file: { what: "a GGUF model", hint: "export the original model to ONNX" } },
  { bytes: [0x1f, 0x8b], file: { what: "a gzip archive", hint: "unpack it and give the .onnx file inside" } },
  { bytes: "BZh", file: { what: "a bzip2 archive", hint: "unpack it and give the .onnx file inside" } },
  {
    bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a],
    file: { what: "an xz archive", hint: "unpack it and give the .onnx file inside" },
  },
  { bytes: [0x37, 0x7a, 0xbc, 0xaf], file: { what: "a 7z archive", hint: "unpack it and give the .onnx file inside" } },
  { at: 257, bytes: "ustar", file: { what: "a tar archive", hint: "unpack it and give the .onnx file inside" } },
  {
    bytes: [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59],
    file: { what: "a NumPy array", hint: "give the ONNX model here, and arrays with --data" },
  },
  { bytes: [0x80, 0x02, 0x8a, 0x0a], file: { what: "an old PyTorch checkpoint (pickle)", hint: EXPORT_TORCH } },
  { bytes: "%PDF", file: { what: "a PDF document", hint: "give an ONNX model" } },
  {
    bytes: "version https://git-lfs",
    file: { what: "a Git LFS pointer, not the model itself", hint: "fetch the model with: git lfs pull" },
  },
];

/** The format of a file that is certainly no ONNX model, by its first bytes; undefined for everything else. */
export function recogniseForeign(bytes: Uint8Array): ForeignFile | undefined {
  const found = MAGIC.find(({ at = 0, bytes: magic }) => startsWith(bytes, magic, at));
  if (found) return found.file;
  if (startsWith(bytes, "PK\u0003\u0004", 0)) return zipKind(bytes);
  if (startsWith(bytes, [0x80], 0) && bytes.length > 1 && bytes[1]! >= 2 && bytes[1]! <= 5 && bytes.at(-1) === 0x2e) {
    return { what: "a Python pickle", hint: EXPORT_TORCH };
  }
  return textKind(bytes);
}

/** PyTorch saves zips whose entries begin with a folder and data.pkl; Keras 3 zips hold config.json; the rest are plain. */
function zipKind(bytes: Uint8Array): ForeignFile {
  const head = latin1(bytes.subarray(0, 4096));
  const tail = latin1(bytes.subarray(Math.max(0, bytes.length - 65_536)));
  if (/\/data\.pkl|constants\.pkl/.test(head + tail))
    return { what: "a PyTorch checkpoint (.pt, .pth)", hint: EXPORT_TORCH };
  if (/model\.weights\.h5/.test(head + tail)) return { what: "a Keras model (.keras)", hint: CONVERT_TF };
  if (/\.npy/.test(head))
    return { what: "a NumPy archive (.npz)", hint: "give the ONNX model here, and arrays with --data" };
  return { what: "a zip archive", hint: "unpack it and give the .onnx file inside" };
}

function textKind(bytes: Uint8Array): ForeignFile | undefined {
  // Eight bytes of length, then JSON.
  if (startsWith(bytes, '{"', 8) && /__metadata__|dtype/.test(latin1(bytes.subarray(8, 512)))) {
    return { what: "a safetensors file: weights without a network", hint: EXPORT_TORCH };
  }
  const start = latin1(bytes.subarray(0, 512))
    .replace(/^\u00ef\u00bb\u00bf/, "")
    .trimStart();
  if (/^<(!doctype html|html|head)/i.test(start)) {
    return { what: "a web page", hint: "the download link led to a page; download the raw file" };
  }
  if (/^<\?xml|^<net\b/.test(start)) {
    return { what: "an XML file (OpenVINO?)", hint: "give the ONNX model that it was converted from" };
  }
  if (/^[{[]\s*["{[\]}\d]/.test(start)) {
    return {
      what: "a JSON file",
      hint: "give the ONNX model; a config is given with --config, TensorFlow.js models are converted with tf2onnx",
    };
  }
  return undefined;
}

function startsWith(bytes: Uint8Array, magic: string | readonly number[], at: number): boolean {
  const codes = typeof magic === "string" ? Array.from(magic, (character) => character.charCodeAt(0)) : magic;
  return bytes.length >= at + codes.length && codes.every((code, index) => bytes[at + index] === code);
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return text;
}
