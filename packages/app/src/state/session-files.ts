/** The session's folder in the origin's private file system: on this machine, for this site only. */
async function root(): Promise<FileSystemDirectoryHandle> {
  const all = await navigator.storage.getDirectory();
  return all.getDirectoryHandle("session", { create: true });
}

async function folderOf(path: string, create: boolean): Promise<{ folder: FileSystemDirectoryHandle; name: string }> {
  const parts = path.split("/");
  const name = parts.pop()!;
  let folder = await root();
  for (const part of parts) folder = await folder.getDirectoryHandle(part, { create });
  return { folder, name };
}

export async function writeFile(path: string, data: Blob | BufferSource | string): Promise<void> {
  const { folder, name } = await folderOf(path, true);
  const handle = await folder.getFileHandle(name, { create: true });
  // What is written becomes the file when it is closed: a crash leaves the old one.
  const stream = await handle.createWritable();
  await stream.write(data as Blob);
  await stream.close();
}

export async function readFile(path: string): Promise<File> {
  const { folder, name } = await folderOf(path, false);
  return (await folder.getFileHandle(name)).getFile();
}

export async function removeAll(path?: string): Promise<void> {
  if (path === undefined) {
    const all = await navigator.storage.getDirectory();
    await all.removeEntry("session", { recursive: true }).catch(() => undefined);
    return;
  }
  const { folder, name } = await folderOf(path, true);
  await folder.removeEntry(name, { recursive: true }).catch(() => undefined);
}
