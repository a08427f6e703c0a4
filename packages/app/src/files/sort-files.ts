import type { PlacedFile } from "../protocol.js";

/** What a file is, by its first bytes. */
export type FileRole = "model" | "image" | "array" | "zip" | "json" | "text" | "other";

/** A dropped file with what it is. */
export interface SortedFile extends PlacedFile {
  readonly role: FileRole;
}

const HEAD_BYTES = 64;

const starts = (head: Uint8Array, text: string, at = 0) =>
  [...text].every((char, index) => head[at + index] === char.charCodeAt(0));

function isImage(head: Uint8Array): boolean {
  return (
    (head[0] === 0xff && head[1] === 0xd8 && head[2] === 0xff) ||
    (head[0] === 0x89 && starts(head, "PNG", 1)) ||
    starts(head, "GIF8") ||
    (starts(head, "RIFF") && starts(head, "WEBP", 8)) ||
    starts(head, "BM") ||
    starts(head, "ftypavi", 4)
  );
}

/** IDX: two zero bytes, a type, a number of dimensions. */
function isIdx(head: Uint8Array): boolean {
  return head[0] === 0 && head[1] === 0 && [8, 9, 11, 12, 13, 14].includes(head[2]!) && head[3]! >= 1 && head[3]! <= 4;
}

/**
 * An ONNX model begins with field 1 (ir_version, a small number) or another field of ModelProto: key bytes 0x08, 0x12,
 * 0x1a, 0x22, 0x2a, 0x3a, 0x42. What only looks like one is refused by the parser with a reason.
 */
function looksLikeModel(head: Uint8Array): boolean {
  return (head[0] === 0x08 && head[1]! >= 1 && head[1]! <= 30) || (head[0] === 0x3a && head[1]! > 0);
}

function isText(head: Uint8Array): boolean {
  return head.length > 0 && head.every((byte) => byte >= 32 || byte === 9 || byte === 10 || byte === 13);
}

/** Decides by content; the name counts only where content cannot tell (an external data file may hold anything). */
export function roleOf(head: Uint8Array, path: string): FileRole {
  if (isImage(head)) return "image";
  if ((head[0] === 0x93 && starts(head, "NUMPY", 1)) || isIdx(head) || (head[0] === 0x1f && head[1] === 0x8b))
    return "array";
  if (starts(head, "PK")) return "zip";
  if (looksLikeModel(head)) return "model";
  if (isText(head)) return /^\s*[{[]/.test(String.fromCharCode(...head)) ? "json" : "text";
  return /\.(f32|bin)$/i.test(path) ? "array" : "other";
}

export async function sortFiles(files: readonly PlacedFile[]): Promise<SortedFile[]> {
  const nameOf = ({ path }: PlacedFile) => path.slice(path.lastIndexOf("/") + 1);
  const isLitter = (file: PlacedFile) => {
    const name = nameOf(file);
    return name.startsWith(".") || name === "Thumbs.db" || name === "desktop.ini" || file.path.includes("__MACOSX/");
  };
  const sort = async (file: PlacedFile): Promise<SortedFile> => {
    // Tens of thousands of images are not opened one by one to see that they are images.
    if (files.length > 200 && /\.(jpe?g|png|webp|gif)$/i.test(nameOf(file))) return { ...file, role: "image" };
    return { ...file, role: roleOf(new Uint8Array(await file.blob.slice(0, HEAD_BYTES).arrayBuffer()), file.path) };
  };
  return Promise.all(files.filter((file) => !isLitter(file)).map(sort));
}

/** What a drop is about. A file said to be a model (.onnx) is taken for one, so that it is refused as one. */
export function groupFiles(files: readonly SortedFile[]): {
  model: SortedFile | undefined;
  models: number;
  data: SortedFile[];
  json: SortedFile[];
} {
  const isNamedModel = ({ path }: SortedFile) => /\.onnx$/i.test(path);
  const candidates = files.filter((file) => file.role === "model" || isNamedModel(file));
  const model = candidates.find(isNamedModel) ?? candidates[0];
  const json = files.filter(({ role }) => role === "json");
  const isSample = ({ role, path }: SortedFile) =>
    role === "image" || role === "array" || role === "zip" || (role === "text" && /\.csv$/i.test(path));
  const data = files.filter((file) => file !== model && isSample(file));
  // Text alone is no data: labels come with images or arrays.
  const hasSamples = data.some(({ role }) => role === "image" || role === "array" || role === "zip");
  return { model, models: candidates.length, data: hasSamples ? data : [], json };
}
