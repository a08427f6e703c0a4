/**
 * The entry page for models from elsewhere: it may ask other addresses, so it is a page of its own, with a policy of its own, and
 * holds nothing. What it fetches or is sent it leaves in the site's private file system, where the app finds it.
 */
import { MOST_BYTES } from "../files/size-policy.js";
import { formatBytes } from "../format.js";
import { listenForModels } from "../link/handover.js";
import { putInbox } from "../link/inbox.js";
import { parseLink } from "../link/link.js";
import { decodeRecipe } from "../link/recipe-link.js";
import { remembered } from "../state/local.js";
import { FREE_BYTES, LinkError, type Remote, read, remoteUrl, request } from "./download.js";

const RECIPE_BYTES = 1e6;

const find = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const say = (text: string) => {
  find("text").textContent = text;
};

/** Waits for the button that agrees. */
function agree(text: string, yes: string): Promise<void> {
  say(text);
  const button = find<HTMLButtonElement>("yes");
  button.textContent = yes;
  button.hidden = false;
  find("no").textContent = "Leave it";
  return new Promise((resolve) => {
    button.onclick = () => {
      button.hidden = true;
      resolve();
    };
  });
}

function enter(): void {
  location.replace("./#/model");
}

async function recipeOf(params: URLSearchParams): Promise<string | undefined> {
  const text = params.get("recipe") ?? parseLink(location.hash).recipe;
  if (!text) return undefined;
  if (!/^https?:/.test(text)) return JSON.stringify(decodeRecipe(text));
  const remote = await request(remoteUrl(text, location.href));
  const blob = await read(remote, (bytes) => {
    if (bytes > RECIPE_BYTES) throw new LinkError("The recipe of the link is larger than 1 MB, so it is none.");
  });
  return blob.text();
}

async function fetchModel(params: URLSearchParams): Promise<void> {
  const url = remoteUrl(params.get("model")!, location.href);
  say(`Asking ${url.host} for ${url.pathname.split("/").at(-1)}…`);
  const remote = await request(url);
  await permit(remote);
  const bar = find<HTMLProgressElement>("progress");
  bar.hidden = false;
  const model = await read(remote, (bytes) => {
    if (remote.bytes) bar.value = bytes / remote.bytes;
    say(
      `Downloading ${remote.name} from ${url.host}: ${formatBytes(bytes)}${remote.bytes ? ` of ${formatBytes(remote.bytes)}` : ""}`,
    );
  });
  const recipe = await recipeOf(params);
  await putInbox({ name: remote.name, from: url.host, agreed: false, ...(recipe && { recipe }) }, model);
  enter();
}

/** Asks before anything large, or of unknown size, is read. */
async function permit({ bytes, name, url }: Remote): Promise<void> {
  if (bytes !== undefined && bytes > MOST_BYTES) {
    throw new LinkError(
      `${name} has ${formatBytes(bytes)}, more than a page can hold. Download it and run: equant compress ${name}`,
    );
  }
  if (bytes !== undefined && bytes <= FREE_BYTES) return;
  const size = bytes === undefined ? "of unknown size" : `of ${formatBytes(bytes)}`;
  await agree(`The link names ${name} at ${url.host}, a file ${size}. Download it?`, "Download");
}

function waitForModel(): void {
  say("Waiting for the page that opened this one to send a model.");
  let asked = false;
  listenForModels(async ({ origin, name, bytes, recipe }) => {
    if (asked) return;
    asked = true;
    const size = `${name}, ${formatBytes(bytes.byteLength)}${recipe === undefined ? "" : ", with a recipe"}`;
    await agree(`Open the model that ${origin} sent? (${size})`, "Open it");
    await putInbox({ name, from: origin, agreed: true, ...(recipe && { recipe }) }, bytes);
    enter();
  });
}

document.documentElement.dataset.theme =
  remembered("equant.theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
const params = new URLSearchParams(location.search);
if (!params.has("model")) waitForModel();
else {
  fetchModel(params).catch((error: unknown) => {
    find("progress").hidden = true;
    say(error instanceof Error ? error.message : String(error));
  });
}
