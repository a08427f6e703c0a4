import { MOST_BYTES } from "../files/size-policy.js";

/** A download up to this size needs no question. */
export const FREE_BYTES = 20e6;

/** A file of a link that was asked for, its body not yet read. */
export interface Remote {
  readonly url: URL;
  readonly name: string;
  /** Undefined: the server does not say. */
  readonly bytes: number | undefined;
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** A link that cannot be opened; the message is for people. */
export class LinkError extends Error {}

/** The address of a link. @throws {LinkError} when it is none that may be fetched. */
export function remoteUrl(text: string, page: string): URL {
  let url: URL;
  try {
    url = new URL(text, page);
  } catch {
    throw new LinkError(
      `“${text.slice(0, 200)}” is no address. A link looks like open.html?model=https://…/model.onnx.`,
    );
  }
  const isLocal = url.origin === new URL(page).origin || ["localhost", "127.0.0.1"].includes(url.hostname);
  if (url.protocol === "https:" || (url.protocol === "http:" && isLocal)) return url;
  throw new LinkError(`Models are fetched over https only; the link names ${url.protocol}//.`);
}

/** Asks the server; nothing of the file is read yet. @throws {LinkError} */
export async function request(url: URL): Promise<Remote> {
  let response: Response;
  try {
    response = await fetch(url, { mode: "cors", credentials: "omit", referrerPolicy: "no-referrer" });
  } catch {
    throw new LinkError(
      `${url.host} does not answer, or does not let other sites read this file (CORS). Download it yourself and drop it in the app.`,
    );
  }
  if (!response.ok || !response.body) {
    throw new LinkError(`${url.host} answers ${response.status} ${response.statusText}. Check the address.`);
  }
  const length = Number(response.headers.get("Content-Length"));
  // The length of what is sent compressed is not that of the file.
  const isPlain = !response.headers.get("Content-Encoding");
  const name = decodeURIComponent(url.pathname.split("/").at(-1) ?? "") || "model.onnx";
  return { url, name, bytes: isPlain && length > 0 ? length : undefined, body: response.body };
}

/** Reads the file. @throws {LinkError} when it is larger than a page can hold, or breaks off. */
export async function read({ body, url }: Remote, onBytes: (bytes: number) => void): Promise<Blob> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw new LinkError(`The connection to ${url.host} broke off. Load this page again.`);
    });
    if (done) return new Blob(parts);
    bytes += value.length;
    if (bytes > MOST_BYTES) {
      await reader.cancel();
      throw new LinkError(
        "The file is larger than 1.5 GB, more than a page can hold. Download it and run: equant compress model.onnx",
      );
    }
    parts.push(value);
    onBytes(bytes);
  }
}
