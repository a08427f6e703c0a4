import { afterEach, describe, expect, test } from "vitest";
import { modelBytes, permitSize, sizePolicy } from "../../src/files/size-policy.js";
import { question } from "../../src/state/question.js";
import { problem } from "../../src/state/store.js";

/** A file that says to be large; nothing of it is ever read. */
const file = (path: string, size: number) => ({ path, blob: { size } as Blob });
const source = (size: number, ...others: ReturnType<typeof file>[]) => ({
  name: "net.onnx",
  main: "net.onnx",
  files: [file("net.onnx", size), ...others],
});

afterEach(() => {
  problem.value = null;
  question.value?.answer(false);
});

describe("models by size", () => {
  test.each([
    [500e6, "open"],
    [500e6 + 1, "ask"],
    [1.5e9, "ask"],
    [1.5e9 + 1, "refuse"],
  ] as const)("%d bytes: %s", (bytes, policy) => expect(sizePolicy(bytes)).toBe(policy));

  test("data files count, images beside the model do not", () => {
    const others = [file("net.onnx.data", 9e8), file("weights", 1e8), file("a/cat.jpg", 5e9), file("cal.npy", 5e9)];
    expect(modelBytes(source(1e6, ...others))).toBe(1e9 + 1e6);
  });

  test("a small one is opened without a word", async () => {
    expect(await permitSize(source(2e8))).toBe(true);
    expect([question.value, problem.value]).toEqual([null, null]);
  });

  test("a large one is asked about, with memory and the command", async () => {
    for (const yes of [true, false]) {
      const permitted = permitSize(source(1e6, file("net.onnx.data", 8e8)));
      expect(question.value!.title).toBe("Open net.onnx, 801.00 MB?");
      expect(question.value!.text).toContain("1.60 GB of memory");
      expect(question.value!.text).toContain("equant compress net.onnx --data images/ -o out.onnx");
      question.value!.answer(yes);
      expect(await permitted).toBe(yes);
      expect(question.value).toBeNull();
    }
  });

  test("one that is too large is refused with the command instead", async () => {
    expect(await permitSize(source(3e9))).toBe(false);
    expect(problem.value).toMatchObject({ code: "E6001", where: "net.onnx, 3.00 GB" });
    expect(problem.value!.now).toContain("equant compress net.onnx");
  });

  test("a question on the screen is not pushed aside by another", async () => {
    const first = permitSize(source(8e8));
    expect(await permitSize(source(9e8))).toBe(false);
    question.value!.answer(true);
    expect(await first).toBe(true);
  });
});
