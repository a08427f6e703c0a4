import { effect } from "@preact/signals";
import { openDemo } from "../link/arrivals.js";
import { formatLink, type Link, parseLink } from "../link/link.js";
import { decodeRecipe } from "../link/recipe-link.js";
import { problemOf } from "../problem.js";
import { DEMOS, type DemoName } from "../state/actions.js";
import { setRecipe } from "../state/recipe-edit.js";
import { showRun } from "../state/runs.js";
import type { ScreenId } from "../state/screens.js";
import { selectLayer } from "../state/selection.js";
import { currentRunId, model, problem, runs, screen, selectedLayer } from "../state/store.js";
import { graphColour, sorting } from "../state/view.js";

/** Browsers refuse more than some hundred changes of the address in a few seconds. */
const WRITE_MS = 200;

/** Screens about a run. */
const OF_RUN: readonly ScreenId[] = ["quantize", "validate", "export"];

/** Shows a screen; the address follows, so that «back» works. */
export function go(to: ScreenId): void {
  if (screen.value !== to) screen.value = to;
}

/** The address of what is shown. */
function currentLink(): Link {
  const run = OF_RUN.includes(screen.value) ? currentRunId.value : null;
  return {
    screen: screen.value,
    ...(run !== null && { run }),
    ...(selectedLayer.value !== undefined && { layer: selectedLayer.value }),
    ...(graphColour.value !== "sqnr-local" && { view: graphColour.value }),
    ...(sorting.value.key !== "graph" && { sort: sorting.value }),
  };
}

/** Shows what a link says, as far as it is loaded; what it does not say stays. */
function follow(link: Link): void {
  if (link.view) graphColour.value = link.view;
  if (link.sort) sorting.value = link.sort;
  if (link.run) {
    const run = runs.value.find(({ id }) => id.startsWith(link.run!));
    if (run && run.id !== currentRunId.value) showRun(run.id);
  }
  if (link.layer && model.value?.inspect.nodes.some(({ name }) => name === link.layer)) selectLayer(link.layer);
  if (link.screen) screen.value = link.screen;
  if (!link.recipe) return;
  try {
    setRecipe(decodeRecipe(link.recipe));
    screen.value = link.screen ?? (model.value ? "quantize" : "start");
  } catch (error) {
    problem.value = problemOf(error);
  }
}

let first: Link = {};
let demo: DemoName | undefined;

/** Shows the screen of the address; the rest of it when {@link settleNavigation} is called. */
export function startNavigation(): void {
  first = parseLink(location.hash);
  const asked = new URLSearchParams(location.search).get("demo") ?? "";
  if (Object.hasOwn(DEMOS, asked)) demo = asked as DemoName;
  if (first.screen) screen.value = first.screen;
  effect(() => {
    const id = screen.value;
    document.title = `${id === "start" ? "" : `${id[0]!.toUpperCase()}${id.slice(1)} · `}equant`;
  });
}

/** When the session is open again: shows what the address says, and keeps the address with the page from now on. */
export function settleNavigation(): void {
  follow(first);
  let known = location.hash;
  addEventListener("hashchange", () => {
    known = location.hash;
    follow(parseLink(known));
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const write = () => {
    // Somebody has just gone elsewhere: the event that says so is on its way.
    if (location.hash !== known) return;
    // A page that is loaded again before the demo's model is open begins the demo again.
    const search = demo && !model.value ? location.search : "";
    history.replaceState(null, "", `${location.pathname}${search}${formatLink(currentLink())}`);
    known = location.hash;
  };
  let started = false;
  effect(() => {
    const { screen: shown } = currentLink();
    void model.value;
    clearTimeout(timer);
    if (location.hash !== known) return;
    const isNew = started && parseLink(location.hash).screen !== shown;
    started = true;
    if (isNew) {
      history.pushState(null, "", `${location.pathname}${formatLink(currentLink())}`);
      known = location.hash;
    } else timer = setTimeout(write, WRITE_MS);
  });
  if (demo) void openDemo(demo);
}
