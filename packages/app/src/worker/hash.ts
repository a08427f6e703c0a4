/** SHA-256 in hexadecimal, as everywhere in equant's files. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function sha256Text(text: string): Promise<string> {
  return sha256(new TextEncoder().encode(text));
}
