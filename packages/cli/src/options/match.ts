import { nearest, OptionsError } from "@equant/core/errors";
import picomatch from "picomatch";

export interface MatchOptions {
  /** The option the patterns came from, for the message: `--exclude`. */
  readonly option: string;
  /** What the names are: `nodes`. */
  readonly noun?: string;
  /** How to see all names. */
  readonly hint?: string;
}

/**
 * The names that any pattern matches, in the order of `names`. A pattern is a name as it is, or a glob, read as
 * core reads exclusions: `*` goes across slashes. @throws {OptionsError} E2103 for a pattern that matches nothing.
 */
export function matchNames(patterns: readonly string[], names: readonly string[], options: MatchOptions): string[] {
  const { option, noun = "nodes", hint } = options;
  const known = new Set(names);
  const matched = new Set<string>();
  for (const pattern of patterns) {
    // Names of exporters hold brackets and semicolons: a literal name always wins over its reading as a glob.
    const isMatch = known.has(pattern)
      ? (name: string) => name === pattern
      : picomatch(pattern, { bash: true, dot: true });
    const hits = names.filter((name) => isMatch(name));
    if (hits.length === 0) {
      throw new OptionsError("E2103", `${option} '${pattern}' matches none of ${names.length} ${noun}`, {
        actual: pattern,
        nearest: nearestToPattern(pattern, names),
        hint,
      });
    }
    for (const name of hits) matched.add(name);
  }
  return names.filter((name) => matched.has(name));
}

/** Names close to a literal; for a glob, names of which one path part is close to one of the pattern's parts. */
function nearestToPattern(pattern: string, names: readonly string[]): string[] {
  const direct = nearest(pattern, names);
  if (direct.length > 0) return direct;
  const parts = pattern.split("/").filter((part) => /^[^*?[\]{}!()]{3,}$/.test(part));
  const close = names.filter((name) => parts.some((part) => nearest(part, name.split("/"), 1).length > 0));
  return close.slice(0, 3);
}
