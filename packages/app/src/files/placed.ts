import type { PlacedFile } from "../protocol.js";

/** Files of an input element; those of a folder keep their place in it. */
export function ofInput(list: FileList | null): PlacedFile[] {
  return Array.from(list ?? [], (file) => ({ path: file.webkitRelativePath || file.name, blob: file }));
}

/** Files of a drop, folders walked. Entries must be taken before the event ends. */
export async function ofDrop(transfer: DataTransfer): Promise<PlacedFile[]> {
  const entries = Array.from(transfer.items)
    .filter(({ kind }) => kind === "file")
    .map((item) => item.webkitGetAsEntry() ?? item.getAsFile());
  const files: PlacedFile[] = [];
  for (const entry of entries) {
    if (entry === null) continue;
    if (entry instanceof File) files.push({ path: entry.name, blob: entry });
    else await walk(entry, files);
  }
  return files;
}

async function walk(entry: FileSystemEntry, files: PlacedFile[]): Promise<void> {
  if (entry.isFile) {
    const blob = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    files.push({ path: entry.fullPath.replace(/^\//, ""), blob });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // A call gives a hundred entries at most.
    const part = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (part.length === 0) return;
    for (const child of part) await walk(child, files);
  }
}
