import { type CifarKind, sniffCifar } from "./cifar.js";
import { type DataFile, extensionOf, gunzippedFile } from "./data-file.js";
import { hasImageName, SNIFF_BYTES, sniff } from "./sniff.js";
import { openZip } from "./zip.js";

/** A file and what it holds; `file` is already unpacked where it was gzipped. */
export type Classified =
  | { readonly kind: "image" | "wave" | "text" | "unknown"; readonly file: DataFile }
  | { readonly kind: "zip"; readonly file: DataFile; readonly entries: readonly DataFile[] }
  | ClassifiedArray;

/** The kinds that are arrays of numbers. */
export type ClassifiedArray =
  | { readonly kind: "npy" | "idx" | "raw"; readonly file: DataFile }
  | { readonly kind: "npz"; readonly file: DataFile; readonly entries: readonly DataFile[] }
  | { readonly kind: "cifar"; readonly file: DataFile; readonly cifar: CifarKind };

/** Names under which bare float32 numbers are kept: the one kind of content that nothing in the bytes tells. */
const RAW_EXTENSIONS = ["f32", "raw", "bin", "dat"];

/** What a file holds, by its content; gzip is looked into. */
export async function classify(file: DataFile): Promise<Classified> {
  if (extensionOf(file.path) === "f32") return { kind: "raw", file };
  const kind = sniff(await file.read(0, SNIFF_BYTES));
  if (kind === "gzip") return classify(gunzippedFile(file));
  if (kind === "zip") {
    const entries = await openZip(file);
    const arrays = entries.length > 0 && entries.every((entry) => entry.path.endsWith(".npy"));
    const flat = !entries.some((entry) => entry.path.includes("/"));
    return arrays && flat ? { kind: "npz", file, entries } : { kind: "zip", file, entries };
  }
  if (kind === "npy" || kind === "idx") return { kind, file };
  if (kind !== "unknown") return { kind, file };
  const cifar = await sniffCifar(file);
  if (cifar) return { kind: "cifar", file, cifar };
  return { kind: RAW_EXTENSIONS.includes(extensionOf(file.path)) ? "raw" : "unknown", file };
}

/** As {@link classify}, but trusts the names of images: in a folder of fifty thousand, none is opened here. */
export async function classifyByName(file: DataFile): Promise<Classified> {
  return hasImageName(file.path) ? { kind: "image", file } : classify(file);
}
