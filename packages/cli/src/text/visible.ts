/**
 * Names come from files, and a terminal obeys some characters instead of showing them. They are shown as escapes: control
 * characters (line ends, ESC and its 8-bit kin), what turns the direction of writing or is not seen, and line separators.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;
const SHORT: ReadonlyMap<string, string> = new Map([
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
]);
/** What lines are put together with: line ends, tabs, and the colours of color.ts. */
const OURS = new RegExp(`(\\n|\\t|${String.fromCharCode(27)}\\[\\d{1,2}m)`);

function escaped(character: string): string {
  const code = character.codePointAt(0)!;
  return SHORT.get(character) ?? (code < 0x100 ? `\\x${hex(code, 2)}` : units(character));
}

function units(character: string): string {
  return Array.from({ length: character.length }, (_, i) => `\\u${hex(character.charCodeAt(i), 4)}`).join("");
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}

/** A name, or a message with names in it, as a terminal shows it: on one line, obeyed by nothing. */
export function visible(text: string): string {
  return text.replace(UNSEEN, escaped);
}

/** Lines put together for a terminal: line ends, tabs and our own colours stay, everything else is as {@link visible}. */
export function visibleLines(text: string): string {
  return text
    .split(OURS)
    .map((part, i) => (i % 2 === 1 ? part : visible(part)))
    .join("");
}

/** JSON that a terminal shows as it is: what JSON.stringify leaves raw becomes `\uXXXX`, which JSON allows in strings. */
export function visibleJson(json: string): string {
  return json.replace(UNSEEN, (character) => (character === "\n" ? character : units(character)));
}

/** A word of a command line to copy: quoted where the shell would read it otherwise. */
export function shellWord(word: string | undefined, platform: string = process.platform): string {
  const text = String(word);
  if (/^[\p{L}\p{N}@+=:,./_-]+$/u.test(text)) return text;
  if (platform === "win32") return `"${text.replaceAll('"', '""')}"`;
  // What is not seen needs a quotation that knows escapes; the rest, one that knows nothing.
  if (visible(text) !== text) return `$'${visible(text.replace(/[\\']/g, "\\$&"))}'`;
  return `'${text.replaceAll("'", "'\\''")}'`;
}
