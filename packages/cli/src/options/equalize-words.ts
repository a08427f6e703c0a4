/**
 * Closed sets of equalization, for flags and config: core's own lists would bring all of core along, and `--help` must not
 * wait for it. A test holds the two equal.
 */
export const RELU6 = ["exact", "common", "paper", "replace"] as const;
/** `auto` chooses between exact and common by what they gain: only a whole recipe can measure that. */
export const RELU6_OR_AUTO = ["auto", ...RELU6] as const;
export const EQUALIZE = ["optimal", "dfq", "one-step", "two-step"] as const;
/** `cle` is another name of dfq. */
export const EQUALIZE_OR_CLE = [...EQUALIZE, "cle"] as const;
