import { OptionsError } from "@equant/core/errors";
import { readRecipe } from "../recipe/read-recipe.js";
import { canonical, type Recipe } from "../recipe/recipe.js";

/** Most characters of a recipe in an address: longer addresses are cut by programs that pass them on. */
export const RECIPE_LIMIT = 2048;

/** The recipe as base64url of its JSON in UTF-8; undefined where it is longer than {@link RECIPE_LIMIT}. */
export function encodeRecipe(recipe: Recipe): string | undefined {
  const bytes = new TextEncoder().encode(canonical(recipe));
  const text = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  const encoded = text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  return encoded.length <= RECIPE_LIMIT ? encoded : undefined;
}

/** @throws {OptionsError} E2007 when it is no recipe, or too long. */
export function decodeRecipe(text: string): Recipe {
  const fail = (why: string, cause?: unknown) =>
    new OptionsError("E2007", `link: ${why}`, { hint: "copy the link again, or drop recipe.json" }, cause);
  if (text.length > RECIPE_LIMIT) throw fail(`its recipe is longer than ${RECIPE_LIMIT} characters`);
  let json: string;
  try {
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    json = new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(binary, (char) => char.charCodeAt(0)));
  } catch (error) {
    throw fail("its recipe is cut off or changed", error);
  }
  return readRecipe(json, "link");
}
