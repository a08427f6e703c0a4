import { zlibSync } from "fflate";
import { describe, expect, test } from "vitest";
import { type DataFile, type Dataset, memoryFile, type SampleTruth } from "../../src/data/index.js";
import { readTaskLabels, type TaskName, withLabels } from "../../src/tasks/index.js";
import { readMask } from "../../src/tasks/labels/masks.js";

const file = (path: string, text: string) => memoryFile(path, new TextEncoder().encode(text));
const SIZE = { width: 200, height: 100 };

/** Images a.jpg, b.jpg … of one size. */
function images(names: readonly string[]): Dataset {
  return {
    length: names.length,
    shape: [3, 4, 4],
    fill() {},
    id: (index) => names[index]!,
    placement: async () => ({ ...SIZE, scale: [1, 1], offset: [0, 0] }),
  };
}

async function truthsOf(task: TaskName, files: readonly DataFile[], names = ["a.jpg", "b.jpg"], named?: string) {
  const labels = await readTaskLabels(task, files, named);
  const { dataset, notes } = withLabels(images(names), labels!);
  const truths: SampleTruth[] = [];
  for (let i = 0; i < dataset.length; i++) truths.push(await dataset.truth!(i));
  return {
    truths,
    notes,
    classNames: dataset.classNames,
    ids: truths.map((_, i) => dataset.id(i)),
    format: labels!.format,
  };
}

const failure = (task: TaskName, files: readonly DataFile[]) =>
  truthsOf(task, files).then(
    () => expect.unreachable(),
    (error) => ({ code: error.code, message: error.message as string, details: error.details }),
  );

describe("COCO JSON", () => {
  const coco = (annotations: readonly object[], more: object = {}) =>
    file(
      "instances.json",
      `{\n"images": [{"id": 7, "file_name": "b.jpg"}, {"id": 3, "file_name": "a.jpg"}],\n"categories": [{"id": 9, "name": "dog"}, {"id": 2, "name": "cat"}],\n"annotations": [\n${annotations.map((one) => JSON.stringify(one)).join(",\n")}]${Object.keys(more).length > 0 ? "," : ""}\n}`,
    );

  test("boxes, crowds and areas; classes by rising id; images without objects count", async () => {
    const { truths, classNames, ids } = await truthsOf("detection", [
      coco([
        { image_id: 7, category_id: 9, bbox: [1, 2, 3, 4], area: 5, iscrowd: 1 },
        { image_id: 7, category_id: 2, bbox: [5, 6, 7, 8] },
      ]),
    ]);
    expect(ids).toEqual(["a.jpg", "b.jpg"]);
    expect(classNames).toEqual(["cat", "dog"]);
    expect(truths).toEqual([
      { objects: [] },
      {
        objects: [
          { class: 1, box: [1, 2, 3, 4], area: 5, crowd: true },
          { class: 0, box: [5, 6, 7, 8] },
        ],
      },
    ]);
  });

  test("what is broken is named with file and line", async () => {
    const good = { image_id: 3, category_id: 2, bbox: [0, 0, 1, 1] };
    const bad: [object, RegExp][] = [
      [{ ...good, image_id: 4 }, /image 4, which images does not list/],
      [{ ...good, category_id: 5 }, /category 5/],
      [{ ...good, bbox: [0, 0, -1, 1] }, /no bbox/],
      [{ ...good, keypoints: [1, 2] }, /keypoints/],
    ];
    for (const [annotation, message] of bad) {
      const { code, message: text, details } = await failure("detection", [coco([good, annotation])]);
      expect(code).toBe("E5004");
      expect(text).toMatch(message);
      expect(text).toMatch(/"instances.json" line 6: annotations\[1\]/);
      expect(details).toMatchObject({ file: "instances.json", line: 6 });
    }
    expect((await failure("detection", [file("labels.json", "{\n\n[}")])).message).toMatch(/line 3: is no JSON/);
    expect((await failure("detection", [file("labels.json", "[]")])).message).toMatch(/no list "images"/);
  });
});

describe("YOLO text", () => {
  test("parts of the image become pixels; data.yaml names the classes; images without a file are left out", async () => {
    const { truths, classNames, notes } = await truthsOf("detection", [
      file("data.yaml", "names:\n  0: cat\n  1: dog\n"),
      file("labels/b.txt", "1 0.5 0.5 0.1 0.4\n\n0 0.1 0.2 0.2 0.2\n"),
    ]);
    expect(classNames).toEqual(["cat", "dog"]);
    expect(truths).toHaveLength(1);
    const [first, second] = truths[0]!.objects!;
    expect(first).toMatchObject({ class: 1 });
    for (const [i, side] of [90, 30, 20, 40].entries()) expect(first!.box[i]).toBeCloseTo(side);
    for (const [i, side] of [0, 10, 40, 20].entries()) expect(second!.box[i]).toBeCloseTo(side);
    expect(notes).toEqual(["1 images are not in labels/b.txt and were left out"]);
  });

  test("what is broken is named with file and line", async () => {
    const yaml = file("data.yaml", "names: [cat]");
    const bad: [string, RegExp][] = [
      ["0 0.5 0.5 0.1", /4 numbers/],
      ["0 0.5 x 0.1 0.1", /not all numbers/],
      ["0.5 0.5 0.5 0.1 0.1", /no whole number/],
      ["1 0.5 0.5 0.1 0.1", /class 1, data.yaml names 1/],
      ["0 0.5 0.5 40 30", /40 is no part of the image/],
    ];
    for (const [line, message] of bad) {
      const { message: text } = await failure("detection", [yaml, file("a.txt", `0 0.5 0.5 0.1 0.1\n${line}`)]);
      expect(text).toMatch(message);
      expect(text).toMatch(/"a.txt" line 2: /);
    }
    expect((await failure("detection", [file("data.yaml", "a: 1\nnames: [cat"), file("a.txt", "")])).message).toMatch(
      /data.yaml" line \d/,
    );
  });
});

describe("VOC XML", () => {
  const voc = (name: string, objects: string) =>
    file(`${name}.xml`, `<annotation>\n<filename>${name}.jpg</filename>\n${objects}\n</annotation>`);
  const box = (name: string, more = "") =>
    `<object><name>${name}</name>${more}<bndbox><xmin>10</xmin><ymin>20</ymin><xmax>30</xmax><ymax>50</ymax></bndbox></object>`;

  test("boxes of both images, names in alphabetical order, difficult ones do not count", async () => {
    const { truths, classNames } = await truthsOf("detection", [
      voc("a", box("dog")),
      voc("b", box("cat", "<difficult>1</difficult>") + box("dog", "<difficult>0</difficult>")),
    ]);
    expect(classNames).toEqual(["cat", "dog"]);
    expect(truths).toEqual([
      { objects: [{ class: 1, box: [10, 20, 20, 30] }] },
      {
        objects: [
          { class: 0, box: [10, 20, 20, 30], ignore: true },
          { class: 1, box: [10, 20, 20, 30] },
        ],
      },
    ]);
  });

  test("what is broken is named with file and line", async () => {
    expect((await failure("detection", [voc("a", box("dog").replace("30", "x"))])).message).toMatch(
      /"a.xml" line 3: .*no number xmax/,
    );
    expect((await failure("detection", [voc("a", box("dog").replace("30", "3"))])).message).toMatch(
      /ends before it begins/,
    );
    expect((await failure("detection", [voc("a", "<object>")])).message).toMatch(/"a.xml" line 4: /);
    expect((await failure("detection", [file("a.xml", "<annotation></annotation>")])).message).toMatch(
      /has no filename/,
    );
  });
});

describe("tables", () => {
  test("texts and numbers by file", async () => {
    const texts = await truthsOf("sequence", [file("labels.csv", 'file,text\na.jpg,"one, two"\nb.jpg,\n')]);
    expect(texts.truths).toEqual([{ text: "one, two" }, { text: "" }]);
    const numbers = await truthsOf("regression", [file("labels.csv", "file,x,y\na.jpg,1,-2.5\nb.jpg,3,4e1\n")]);
    expect(numbers.truths).toEqual([{ values: [1, -2.5] }, { values: [3, 40] }]);
    expect((await failure("regression", [file("labels.csv", "file,value\na.jpg,1\nb.jpg,high\n")])).message).toMatch(
      /"labels.csv" line 3: "high" is no number/,
    );
  });
});

describe("mask PNG", () => {
  const chunk = (type: string, data: Uint8Array) => {
    const bytes = new Uint8Array(12 + data.length);
    new DataView(bytes.buffer).setUint32(0, data.length);
    bytes.set(new TextEncoder().encode(type), 4);
    bytes.set(data, 8);
    return bytes;
  };
  /** A palette PNG whose rows are filtered by `filter`; checksums are left at 0, nobody reads them. */
  function png(classes: readonly number[], width: number, bits: number, filter: number, color = 3): Uint8Array {
    const height = classes.length / width;
    const stride = Math.ceil((width * bits) / 8);
    const rows = new Uint8Array(stride * height);
    classes.forEach((value, i) => {
      const [x, y] = [i % width, Math.floor(i / width)];
      rows[y * stride + Math.floor((x * bits) / 8)]! |= value << (8 - bits - ((x * bits) % 8));
    });
    const raw = new Uint8Array((stride + 1) * height);
    for (let y = 0; y < height; y++) {
      raw[y * (stride + 1)] = filter;
      for (let x = 0; x < stride; x++) {
        const at = (dx: number, dy: number) => (x + dx < 0 || y + dy < 0 ? 0 : rows[(y + dy) * stride + x + dx]!);
        const [left, above, corner] = [at(-1, 0), at(0, -1), at(-1, -1)];
        const estimate = left + above - corner;
        const nearest = [left, above, corner].reduce((best, own) =>
          Math.abs(estimate - own) < Math.abs(estimate - best) ? own : best,
        );
        const guess = [0, left, above, (left + above) >> 1, nearest][filter]!;
        raw[y * (stride + 1) + 1 + x] = at(0, 0) - guess;
      }
    }
    const head = new Uint8Array(13);
    new DataView(head.buffer).setUint32(0, width);
    new DataView(head.buffer).setUint32(4, height);
    head.set([bits, color, 0, 0, 0], 8);
    const parts = [
      Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
      chunk("IHDR", head),
      chunk("IDAT", zlibSync(raw)),
      chunk("IEND", new Uint8Array()),
    ];
    return Uint8Array.from(parts.flatMap((part) => [...part]));
  }

  test.each([1, 2, 4, 8].flatMap((bits) => [0, 1, 2, 3, 4].map((filter) => [bits, filter] as const)))(
    "%i bits, filter %i: the numbers themselves",
    (bits, filter) => {
      const classes = Array.from({ length: 35 }, (_, i) => (i * 37 + (i >> 2)) % 2 ** bits);
      const mask = readMask(png(classes, 7, bits, filter), "m.png");
      expect(mask).toMatchObject({ width: 7, height: 5 });
      expect([...mask.classes]).toEqual(classes);
    },
  );

  test("colours and damage are told", () => {
    const good = png([1, 2, 3, 4], 2, 8, 0);
    expect(() => readMask(png([1, 2, 3, 4], 2, 8, 0, 2), "m.png")).toThrow(/"m.png" has no class number a pixel/);
    expect(() => readMask(good.subarray(0, 45), "m.png")).toThrow(/truncated/);
    expect(() => readMask(new Uint8Array(50), "m.png")).toThrow(/no PNG/);
  });
});

test("labels of other images are an error, some missing images a note", async () => {
  const coco = (name: string) =>
    file(
      "labels.json",
      JSON.stringify({
        images: [
          { id: 1, file_name: name },
          { id: 2, file_name: "x.jpg" },
        ],
        categories: [],
        annotations: [],
      }),
    );
  expect((await failure("detection", [coco("y.jpg")])).message).toMatch(/names 2 images, none of which is there/);
  const { notes } = await truthsOf("detection", [coco("a.jpg")]);
  expect(notes).toEqual([
    "1 images are not in labels.json and were left out",
    "1 images of labels.json are not there (x.jpg)",
  ]);
});
