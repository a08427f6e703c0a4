import { SaxesParser } from "saxes";
import { type DataFile, extensionOf } from "../../data/data-file.js";
import type { LabelledObject } from "../../data/index.js";
import { readText } from "../../data/text.js";
import { broken, type LabelledSet } from "./labelled-set.js";

const HINT = "Pascal VOC has annotation / filename, and object / name, bndbox / xmin, ymin, xmax, ymax.";

interface VocObject {
  name?: string;
  difficult?: string;
  corners: Record<string, string>;
  readonly line: number;
}

/** Objects of Pascal VOC's XML, one file an image. Classes are numbered in alphabetical order of their names, as VOC's own are. */
export async function readVoc(files: readonly DataFile[]): Promise<LabelledSet | undefined> {
  const documents = files.filter(({ path }) => extensionOf(path) === "xml");
  if (documents.length === 0) return undefined;
  const images: { name: string; path: string; objects: VocObject[] }[] = [];
  for (const file of documents) images.push(parse(await readText(file), file.path));
  const names = [...new Set(images.flatMap(({ objects }) => objects.map(({ name }) => name!)))].sort();
  const classOf = new Map(names.map((name, index) => [name, index]));
  const samples = new Map(
    images.map(({ name, path, objects }) => [
      name,
      { objects: objects.map((one) => placed(one, path, classOf.get(one.name!)!)) },
    ]),
  );
  return { format: "VOC XML", file: documents[0]!.path, samples, names };
}

function placed({ corners, difficult, line }: VocObject, path: string, name: number): LabelledObject {
  const side = (key: string) => {
    const value = Number(corners[key] ?? "");
    if (corners[key] === undefined || !Number.isFinite(value))
      throw broken(path, line, `the object has no number ${key}`, HINT);
    return value;
  };
  const [left, top, right, bottom] = [side("xmin"), side("ymin"), side("xmax"), side("ymax")];
  if (right < left || bottom < top) throw broken(path, line, "the object ends before it begins", HINT);
  return {
    class: name,
    box: [left, top, right - left, bottom - top],
    ...(difficult?.trim() === "1" && { ignore: true }),
  };
}

function parse(text: string, path: string): { name: string; path: string; objects: VocObject[] } {
  const parser = new SaxesParser();
  const open: string[] = [];
  const objects: VocObject[] = [];
  let name = "";
  let content = "";
  parser.on("error", (error) => {
    throw broken(path, parser.line, error.message.replace(/^[\d:]+\s*/, ""), "Export the labels again.");
  });
  parser.on("opentag", (tag) => {
    open.push(tag.name);
    content = "";
    if (open.join("/") === "annotation/object") objects.push({ corners: {}, line: parser.line });
  });
  parser.on("text", (part) => {
    content += part;
  });
  parser.on("closetag", () => {
    const place = open.join("/");
    const last = objects.at(-1);
    if (place === "annotation/filename") name = content.trim();
    else if (place === "annotation/object/name") last!.name = content.trim();
    else if (place === "annotation/object/difficult") last!.difficult = content;
    else if (/^annotation\/object\/bndbox\/\w+$/.test(place)) last!.corners[open.at(-1)!] = content.trim();
    open.pop();
    content = "";
  });
  parser.write(text).close();
  if (name === "") throw broken(path, undefined, "has no filename", HINT);
  const nameless = objects.find((one) => !one.name);
  if (nameless) throw broken(path, nameless.line, "the object has no name", HINT);
  return { name, path, objects };
}
