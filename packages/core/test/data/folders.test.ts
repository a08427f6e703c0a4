import { describe, expect, it } from "vitest";
import type { DataFile } from "../../src/data/data-file.js";
import { checkLabels } from "../../src/data/labels.js";
import { openFiles } from "../../src/data/open-files.js";
import type { OpenOptions } from "../../src/data/open-types.js";
import { failureOf, filesOf, flatImage, idsOf, labelsOf, npy, sampleOf, toyDecoder } from "./helpers.js";

const input = { shape: [3, 2, 2] };
const open = (contents: Parameters<typeof filesOf>[0], more: Partial<OpenOptions> = {}) =>
  openFiles(filesOf(contents), { input, decode: toyDecoder, ...more });
const image = flatImage(1);

describe("class folders", () => {
  it("are classes in alphabetical order of code unit; images come class by class", async () => {
    const data = await open({ "dog/b.jpg": image, "cat/2.png": image, "Zebra/1": flatImage(7), "dog/a.jpg": image });
    expect(data).toMatchObject({ format: "class folders", classNames: ["Zebra", "cat", "dog"], preprocessed: true });
    expect(idsOf(data)).toEqual(["Zebra/1", "cat/2.png", "dog/a.jpg", "dog/b.jpg"]);
    expect(labelsOf(data)).toEqual([0, 1, 2, 2]);
    expect(await sampleOf(data, 0)).toEqual(new Array(12).fill(7));
  });

  it("that are numbers mean that number, sorted as numbers", async () => {
    const data = await open({ "10/a.jpg": image, "2/a.jpg": image, "0/a.jpg": image });
    expect(labelsOf(data)).toEqual([0, 2, 10]);
    expect(data.classNames?.length).toBe(11);
  });

  it("follow classes.csv, by name or by WordNet id, when it lists every folder", async () => {
    const classes = "index,wordnet_id,name\n0,n01,tench\n5,n07,crane\n9,n09,crane\n";
    const byId = await open({ "classes.csv": classes, "n09/a.jpg": image, "n07/a.jpg": image });
    expect(labelsOf(byId)).toEqual([5, 9]);
    expect(byId.classNames?.[9]).toBe("crane");
    const byName = await open({ "classes.csv": "index,name\n3,cat\n1,dog\n", "dog/a.jpg": image, "cat/a.jpg": image });
    expect(idsOf(byName)).toEqual(["dog/a.jpg", "cat/a.jpg"]);
    expect(labelsOf(byName)).toEqual([1, 3]);
    const [nearby] = filesOf({ "classes.csv": "index,name\n0,bird\n1,fish\n" });
    const unrelated = await open({ "dog/a.jpg": image, "cat/a.jpg": image }, { nearbyClasses: nearby! });
    expect(unrelated.classNames).toEqual(["cat", "dog"]);
    const [broken] = filesOf({ "classes.csv": "what is this" });
    expect((await open({ "dog/a.jpg": image, "cat/a.jpg": image }, { nearbyClasses: broken! })).classNames).toEqual([
      "cat",
      "dog",
    ]);
  });

  it("are found below a folder that only wraps them; clutter is passed over", async () => {
    const data = await open({
      "set/images/dog/x/1.jpg": image,
      "set/images/cat/1.jpg": image,
      "set/README.md": "hello",
      "set/.DS_Store": "x",
      "__MACOSX/set/images/dog/._1.jpg": "x",
    });
    expect(labelsOf(data)).toEqual([0, 1]);
    expect(data.classNames).toEqual(["cat", "dog"]);
    expect(data.notes).toEqual([]);
  });

  it("one folder around all images is no class, unless asked for", async () => {
    const contents = { "photos/1.jpg": image, "photos/2.jpg": image };
    expect((await open(contents)).format).toBe("images");
    const asked = await open(contents, { labels: "folders" });
    expect([labelsOf(asked), asked.classNames]).toEqual([[0, 0], ["photos"]]);
  });

  it("labels 'none' ignores folders; loose images among folders are an error that says what to do", async () => {
    const contents = { "dog/a.jpg": image, "cat/a.jpg": image, "loose.jpg": image };
    expect((await open(contents, { labels: "none" })).label).toBeUndefined();
    const failure = await failureOf(() => open(contents));
    expect(failure).toMatchObject({ code: "E5004", file: "loose.jpg", hint: expect.stringContaining("--labels none") });
    expect((await failureOf(() => open({ "a.jpg": image }, { labels: "folders" }))).code).toBe("E5004");
  });

  it("that are whole sets, or that classes.csv does not list, are an error and not classes", async () => {
    const sets = await failureOf(() => open({ "train/dog/1.jpg": image, "val/dog/1.jpg": image }));
    expect(sets).toMatchObject({ code: "E5001", message: expect.stringContaining("several sets (train, val)") });
    const tables = { "x/labels.csv": "file,label\n", "x/1.jpg": image, "y/1.jpg": image };
    expect(await failureOf(() => open(tables))).toMatchObject({ code: "E5001", file: "x/labels.csv" });
    const listed = { "classes.csv": "index,name\n0,cat\n1,dog\n", "cat/1.jpg": image, "dgo/1.jpg": image };
    expect(await failureOf(() => open(listed))).toMatchObject({
      code: "E5004",
      file: "classes.csv",
      message: expect.stringContaining('"dgo"'),
    });
    expect(labelsOf(await open({ "train/1.jpg": image, "val/1.jpg": image }, { labels: "folders" }))).toEqual([0, 1]);
  });

  it("spreads samples over the classes and keeps labels and names", async () => {
    const contents = Object.fromEntries(
      ["a", "b", "c"].flatMap((c) => Array.from({ length: 10 }, (_, i) => [`${c}/${i}.jpg`, image] as const)),
    );
    const data = await open(contents, { samples: 6 });
    expect(data).toMatchObject({ length: 6, total: 30, classNames: ["a", "b", "c"] });
    expect(labelsOf(data)).toEqual([0, 0, 1, 1, 2, 2]);
  });
});

describe("labels.csv", () => {
  it("gives order, files and indices; what it does not list is left out, with a note", async () => {
    const data = await open({
      "labels.csv": "file,label\nb/2.jpg,4\r\na.jpg,0\n",
      "b/2.jpg": image,
      "a.jpg": image,
      "extra.jpg": image,
    });
    expect(data.format).toBe("labels.csv");
    expect([idsOf(data), labelsOf(data)]).toEqual([
      ["b/2.jpg", "a.jpg"],
      [4, 0],
    ]);
    expect(data.notes[0]).toMatch(/1 images are not in labels.csv/);
  });

  it("takes names: from classes.csv, or in alphabetical order", async () => {
    const labels = 'file,label\na.jpg,"cat, big"\nb.jpg,ant\n';
    const files = { "labels.csv": labels, "a.jpg": image, "b.jpg": image };
    const alone = await open(files);
    expect([labelsOf(alone), alone.classNames]).toEqual([
      [1, 0],
      ["ant", "cat, big"],
    ]);
    const listed = await open({ ...files, "classes.csv": 'index,name\n0,"cat, big"\n7,ant\n' });
    expect(labelsOf(listed)).toEqual([0, 7]);
  });

  it("may be another file, also one outside the data", async () => {
    const [outside] = filesOf({ "/elsewhere/truth.csv": "image,class\nx/a.jpg,3\n" });
    const data = await open({ "x/a.jpg": image, "x/b.jpg": image }, { labels: outside! });
    expect(labelsOf(data)).toEqual([3]);
    const inside = filesOf({ "truth.csv": "file,label\na.jpg,2\n", "a.jpg": image });
    const named = await openFiles(inside, { input, decode: toyDecoder, main: "truth.csv" });
    expect(labelsOf(named)).toEqual([2]);
  });

  it.each([
    ["file,label\ngone.jpg,1\na.jpg,1\nlost.jpg,2\n", /line 2: file "gone.jpg" is not there, and 1 more/],
    ["name,label\na.jpg,1\n", /no column "file"/],
    ["a.jpg,1\n", /no column "file"/],
    ["", /no column "file" in its first line \(empty\)/],
    ["file,label\na.jpg,\n", /line 2: a cell is empty/],
    ["file,label\n\na.jpg,-1\n", /line 3: label -1 is negative/],
    ["file,label\na.jpg,12345678\n", /too large for a class index/],
    ['file,label\n"a.jpg,1\n', /a quote is not closed/],
  ])("names what is wrong in %j", async (csv, message) => {
    const failure = await failureOf(() => open({ "labels.csv": csv, "a.jpg": image }));
    expect(failure).toMatchObject({ code: "E5004", file: "labels.csv" });
    expect(failure.message).toMatch(message);
    expect(failure.hint).not.toBe("");
  });

  it("names a label that classes.csv does not know, and a broken classes.csv", async () => {
    const labels = { "labels.csv": "file,label\na.jpg,cow\n", "a.jpg": image };
    const unknown = await failureOf(() => open({ ...labels, "classes.csv": "index,name\n0,cat\n" }));
    expect(unknown.message).toMatch(/line 2: label "cow" is not in the class list/);
    const broken = await failureOf(() => open({ ...labels, "classes.csv": "index,name\nzero,cat\n" }));
    expect(broken).toMatchObject({ code: "E5004", file: "classes.csv" });
  });

  it("without rows is no data", async () => {
    expect((await failureOf(() => open({ "labels.csv": "file,label\n", "a.jpg": image }))).code).toBe("E5001");
  });
});

describe("images without labels, single files, and what is no data", () => {
  it("a flat folder and a single file are unlabelled", async () => {
    const flat = await open({ "b.jpg": image, "a.jpg": image });
    expect([flat.format, idsOf(flat), flat.label]).toEqual(["images", ["a.jpg", "b.jpg"], undefined]);
    const single = await open({ "b.jpg": image, "a.jpg": image }, { main: "b.jpg" });
    expect(idsOf(single)).toEqual(["b.jpg"]);
  });

  it("decides by content: a nameless image counts, an array among images is left out with a note", async () => {
    const data = await open({ photo: image, "mean.npy": npy("<f4", [1], new Float32Array(1)), LICENSE: "text" });
    expect(idsOf(data)).toEqual(["photo"]);
    expect(data.notes).toEqual(["1 files were left out (mean.npy)"]);
  });

  it("an image that cannot be decoded fails when it is read, with its name", async () => {
    const data = await open(
      { "a.jpg": "text after all", "b.jpg": image },
      {
        decode: async (bytes, file) => {
          if (bytes[0] !== 0xff) throw new TypeError(`bad ${file}`);
          return toyDecoder(bytes, file);
        },
      },
    );
    await expect(sampleOf(data, 0)).rejects.toThrow("bad a.jpg");
    expect(await sampleOf(data, 1)).toHaveLength(12);
  });

  it.each([
    [{}, {}, /is an empty folder/],
    [{ ".hidden": "x" }, {}, /is an empty folder/],
    [{ "notes.txt": "hello" }, {}, /no images and no arrays/],
    [{ "x.bin2": Uint8Array.of(200, 1, 2) }, { main: "x.bin2" }, /is in no known format/],
    [{ "x.jpg": "" }, { main: "x.jpg" }, /is an empty file/],
    [{ "x.jpg": "" }, { main: "y.jpg" }, /does not exist/],
  ])("%j %j", async (contents, more, message) => {
    const failure = await failureOf(() => open(contents, { name: "photos", ...more }));
    expect(failure.code).toBe("E5001");
    expect(failure.message).toMatch(message);
    expect(failure.hint).not.toBe("");
  });

  it("images need an image input, known sizes and a decoder", async () => {
    expect(await failureOf(() => open({ "a.jpg": image }, { input: { shape: [640] } }))).toMatchObject({
      code: "E5003",
      file: "a.jpg",
    });
    const dynamic = await failureOf(() => open({ "a.jpg": image }, { input: { shape: [3, -1, 2] } }));
    expect(dynamic).toMatchObject({ code: "E5003", message: expect.stringContaining("unknown sizes") });
    const undecoded = await failureOf(() => openFiles(filesOf({ "a.jpg": image }), { input }));
    expect(undecoded.code).toBe("E2005");
    expect((await failureOf(() => open({ "a.jpg": image }, { samples: 0 }))).code).toBe("E2002");
  });

  it("reads no file twice and none that is not asked for", async () => {
    const reads = new Map<string, number>();
    const files = filesOf({ "a/1.jpg": image, "b/1.jpg": image }).map(
      (file): DataFile => ({
        ...file,
        read: (...range) => {
          reads.set(file.path, (reads.get(file.path) ?? 0) + 1);
          return file.read(...range);
        },
      }),
    );
    const data = await openFiles(files, { input, decode: toyDecoder });
    expect(reads.size).toBe(0);
    await sampleOf(data, 1);
    expect([...reads]).toEqual([["b/1.jpg", 1]]);
  });
});

describe("checkLabels", () => {
  it("accepts labels in range, names the first that is not, and guesses counting from 1", async () => {
    const data = await open({ "labels.csv": "file,label\na.jpg,0\nb.jpg,3\n", "a.jpg": image, "b.jpg": image });
    checkLabels(data, 4);
    const one = await failureOf(() => checkLabels(data, 3));
    expect(one).toMatchObject({ code: "E5004", file: "b.jpg", hint: expect.stringContaining("count from 1") });
    expect(one.message).toBe('data: "b.jpg" has label 3, the model has classes 0-2');
    expect((await failureOf(() => checkLabels(data, 2))).hint).not.toContain("count from 1");
    const bare = await open({ "a.jpg": image });
    expect((await failureOf(() => checkLabels(bare, 2))).code).toBe("E5004");
  });
});
