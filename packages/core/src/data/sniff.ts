import { extensionOf } from "./data-file.js";
import { isIdx } from "./idx.js";

/** What the first bytes of a file say it is. */
export type FileKind = "image" | "wave" | "npy" | "zip" | "gzip" | "idx" | "text" | "unknown";

/** Bytes {@link sniff} wants to see. */
export const SNIFF_BYTES = 64;

const ascii = (head: Uint8Array, at: number, text: string) =>
  [...text].every((char, i) => head[at + i] === char.charCodeAt(0));

function isImage(head: Uint8Array): boolean {
  if (head[0] === 0xff && head[1] === 0xd8 && head[2] === 0xff) return true; // JPEG
  if (head[0] === 0x89 && ascii(head, 1, "PNG\r\n")) return true;
  if (ascii(head, 0, "GIF8") || (ascii(head, 0, "BM") && ascii(head, 6, "\0\0\0\0"))) return true;
  if (ascii(head, 0, "RIFF") && ascii(head, 8, "WEBP")) return true;
  if (ascii(head, 0, "II*\0") || ascii(head, 0, "MM\0*")) return true; // TIFF
  // AVIF and HEIF are ISO media files with these brands.
  return ascii(head, 4, "ftyp") && ["avif", "avis", "heic", "heix", "mif1"].some((b) => ascii(head, 8, b));
}

function isText(head: Uint8Array): boolean {
  return head.every((byte) => byte >= 32 || byte === 9 || byte === 10 || byte === 13);
}

/** Decides by content; the name plays no part. */
export function sniff(head: Uint8Array): FileKind {
  if (isImage(head)) return "image";
  if (ascii(head, 0, "RIFF") && ascii(head, 8, "WAVE")) return "wave";
  if (head[0] === 0x93 && ascii(head, 1, "NUMPY")) return "npy";
  if (ascii(head, 0, "PK\x03\x04") || ascii(head, 0, "PK\x05\x06")) return "zip";
  if (head[0] === 0x1f && head[1] === 0x8b) return "gzip";
  if (isIdx(head)) return "idx";
  return head.length > 0 && isText(head) ? "text" : "unknown";
}

const IMAGE_EXTENSIONS = ["jpg", "jpeg", "jfif", "png", "webp", "gif", "tif", "tiff", "avif", "heic"];

/**
 * True for names that are nearly always images. Such files of a folder are not opened before they are decoded (tens of
 * thousands may lie there); one that turns out not to be an image is then an error, never skipped.
 */
export function hasImageName(path: string): boolean {
  return IMAGE_EXTENSIONS.includes(extensionOf(path));
}

/** Files that systems and archivers leave behind, and hidden ones: never data. */
export function isClutter(path: string): boolean {
  return path
    .split("/")
    .some((part) => part.startsWith(".") || part === "__MACOSX" || part === "Thumbs.db" || part === "desktop.ini");
}
