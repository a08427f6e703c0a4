import { permitSize } from "../files/size-policy.js";
import { formatBytes } from "../format.js";
import { problemOf } from "../problem.js";
import { readRecipe } from "../recipe/read-recipe.js";
import { type DemoName, openModel, runDemo } from "../state/actions.js";
import { ask } from "../state/question.js";
import { setRecipe } from "../state/recipe-edit.js";
import { model, problem } from "../state/store.js";
import { listenForModels } from "./handover.js";
import { takeInbox } from "./inbox.js";

interface Arrival {
  readonly name: string;
  readonly model: Blob;
  readonly recipe?: string | undefined;
}

/** Opens a model that came from elsewhere, with its recipe. */
async function openArrival({ name, model: blob, recipe }: Arrival): Promise<void> {
  problem.value = null;
  try {
    if (recipe !== undefined) setRecipe(readRecipe(recipe, "recipe"));
  } catch (error) {
    problem.value = problemOf(error);
    return;
  }
  const source = { name, main: name, files: [{ path: name, blob }] };
  if (await permitSize(source)) await openModel(source);
}

function agree(title: string, what: string, yes: string): Promise<boolean> {
  const kept = model.value ? ` It takes the place of ${model.value.name}; runs stay.` : "";
  return ask({
    title,
    text: `${what}${kept} It is opened here, on this machine; nothing is uploaded.`,
    yes,
    no: "Leave it",
  });
}

/** Takes models from the pages that opened this one or hold it in a frame. */
export function startHandover(): void {
  listenForModels(async ({ origin, name, bytes, recipe }) => {
    const what = `${name}, ${formatBytes(bytes.byteLength)}${recipe === undefined ? "" : ", with a recipe"}.`;
    if (await agree(`Open the model that ${origin} sent?`, what, "Open it")) {
      await openArrival({ name, model: new Blob([bytes]), recipe });
    }
  });
}

/** Opens what the entry page fetched. */
export async function openInbox(): Promise<boolean> {
  const item = await takeInbox();
  if (!item) return false;
  const what = `${item.name}, ${formatBytes(item.model.size)}, from ${item.from}.`;
  if (item.agreed || !model.value || (await agree("Open the model of the link?", what, "Open it"))) {
    await openArrival(item);
  }
  return true;
}

/** Starts the demo that a link asks for; what is open is not pushed aside without asking. */
export async function openDemo(demo: DemoName): Promise<void> {
  const isOpen = model.value !== null;
  if (!isOpen || (await agree("Run the digits demo?", "The link asks for it.", "Run the demo"))) await runDemo(demo);
}
