/** A model that another page sent. */
export interface Handover {
  /** Address of the page that sent it. */
  readonly origin: string;
  readonly name: string;
  readonly bytes: ArrayBuffer;
  /** JSON of a recipe. */
  readonly recipe?: string;
}

const NAME_CHARACTERS = 120;
const RECIPE_CHARACTERS = 1e6;

/** Reads a message of another page; anything but `PING` and a model is undefined. */
export function readMessage(data: unknown): "PING" | Omit<Handover, "origin"> | undefined {
  if (data === "PING") return "PING";
  if (typeof data !== "object" || data === null) return undefined;
  const { model, name, recipe } = data as Record<string, unknown>;
  // Objects of another page's realm are no instances of this one's classes, but cloned messages are of this one.
  if (!(model instanceof ArrayBuffer) || model.byteLength === 0) return undefined;
  const text = recipe === undefined ? undefined : recipeText(recipe);
  if (recipe !== undefined && text === undefined) return undefined;
  return { name: nameOf(name), bytes: model, ...(text !== undefined && { recipe: text }) };
}

function recipeText(recipe: unknown): string | undefined {
  if (typeof recipe === "string") return recipe.length <= RECIPE_CHARACTERS ? recipe : undefined;
  if (typeof recipe !== "object" || recipe === null) return undefined;
  try {
    const text = JSON.stringify(recipe);
    return text.length <= RECIPE_CHARACTERS ? text : undefined;
  } catch {
    return undefined;
  }
}

/** A file name without a path; what is none becomes `model.onnx`. */
export function nameOf(name: unknown): string {
  if (typeof name !== "string") return "model.onnx";
  const last = name.split(/[/\\]/).at(-1)!.trim().slice(0, NAME_CHARACTERS);
  return last === "" ? "model.onnx" : last;
}

/**
 * Answers `PING` of other pages with `PONG`, as Perfetto does, and takes models they send: `{ model: ArrayBuffer, name?, recipe? }`.
 * Everything else is ignored without an answer.
 */
export function listenForModels(onModel: (handover: Handover) => void): void {
  addEventListener("message", ({ data, origin, source }) => {
    if (!source || source === window || !("postMessage" in source)) return;
    const message = readMessage(data);
    if (message === "PING") {
      // Pages without an origin of their own cannot be named as a target.
      (source as Window).postMessage("PONG", origin === "null" || origin === "" ? "*" : origin);
    } else if (message)
      onModel({ ...message, origin: origin === "null" || origin === "" ? "a page of no site" : origin });
  });
}
