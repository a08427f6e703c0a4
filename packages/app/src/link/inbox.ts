import { readFile, removeAll, writeFile } from "../state/session-files.js";

/** A model that the entry page left for the app, in the site's private file system. */
export interface InboxItem {
  readonly name: string;
  readonly from: string;
  /** Whether a person has agreed already. */
  readonly agreed: boolean;
  /** JSON of a recipe. */
  readonly recipe?: string;
}

const FILE = "inbox/item.json";
const MODEL = "inbox/model";

export async function putInbox(item: InboxItem, model: Blob | ArrayBuffer): Promise<void> {
  await removeAll("inbox");
  await writeFile(MODEL, model);
  // Last, so that half an item is none.
  await writeFile(FILE, JSON.stringify(item));
}

/** Takes the item out; undefined where there is none. */
export async function takeInbox(): Promise<(InboxItem & { readonly model: Blob }) | undefined> {
  let item: InboxItem;
  let model: Blob;
  try {
    item = JSON.parse(await (await readFile(FILE)).text()) as InboxItem;
    // A copy in memory: the file itself is about to go.
    model = new Blob([await (await readFile(MODEL)).arrayBuffer()]);
  } catch {
    return undefined;
  }
  await removeAll("inbox");
  return { ...item, model };
}
