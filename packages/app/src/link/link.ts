import { isScreen, type ScreenId } from "../state/screens.js";
import { type GraphColour, isGraphColour, isSortKey, type SortKey } from "../state/view.js";

/** What an address says of the page: `#/validate?run=ab12&layer=conv_1&view=sqnr-local&sort=localDb-asc`. */
export interface Link {
  readonly screen?: ScreenId;
  /** Id of a run, or its first digits. */
  readonly run?: string;
  readonly layer?: string;
  readonly view?: GraphColour;
  readonly sort?: { readonly key: SortKey; readonly down: boolean };
  /** A recipe in base64url. */
  readonly recipe?: string;
}

/** Reads the part behind `#`; what is not known is left out. */
export function parseLink(hash: string): Link {
  const text = hash.replace(/^#/, "");
  const cut = text.indexOf("?");
  const path = text.startsWith("/") ? text.slice(1, cut < 0 ? undefined : cut) : "";
  const params = new URLSearchParams(text.startsWith("/") ? (cut < 0 ? "" : text.slice(cut + 1)) : text);
  const [run, layer, view, recipe] = ["run", "layer", "view", "recipe"].map((name) => params.get(name) ?? undefined);
  const sort = parseSort(params.get("sort") ?? "", view);
  return {
    ...(isScreen(path) && { screen: path }),
    ...(run && /^[0-9a-f]{2,64}$/.test(run) && { run }),
    ...(layer && { layer }),
    ...(view && isGraphColour(view) && { view }),
    ...(sort && { sort }),
    ...(recipe && { recipe }),
  };
}

/** Columns that `sort=asc` means, by what is looked at. */
const SORTED: Partial<Record<GraphColour, SortKey>> = {
  "sqnr-local": "localDb",
  "sqnr-cumulative": "cumulativeDb",
  size: "bytes",
};

function parseSort(text: string, view: string | undefined): Link["sort"] {
  const match = /^(?:(\w+)-)?(asc|desc)$/.exec(text);
  if (!match) return undefined;
  const key = match[1] ?? SORTED[view as GraphColour] ?? "localDb";
  return isSortKey(key) ? { key, down: match[2] === "desc" } : undefined;
}

/** The address of a link, without what is not said. */
export function formatLink({ screen = "start", run, layer, view, sort, recipe }: Link): string {
  const params = [
    ["run", run],
    ["layer", layer],
    ["view", view],
    ["sort", sort && `${sort.key}-${sort.down ? "desc" : "asc"}`],
    ["recipe", recipe],
  ].filter((entry): entry is [string, string] => entry[1] !== undefined);
  const query = params.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");
  return `#/${screen}${query ? `?${query}` : ""}`;
}
