import type { DType, HostTensor } from "@equant/core/lab";
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeRecords, encodeRecords } from "../src/tensor-file.js";

const arrays: Partial<Record<DType, (values: number[]) => HostTensor["data"]>> = {
  float32: (values) => Float32Array.from(values),
  float64: (values) => Float64Array.from(values),
  int64: (values) => BigInt64Array.from(values, (value) => BigInt(Math.trunc(value))),
  int32: (values) => Int32Array.from(values),
  uint8: (values) => Uint8Array.from(values),
  int8: (values) => Int8Array.from(values),
};

const tensor = fc
  .tuple(fc.constantFrom(...(Object.keys(arrays) as DType[])), fc.array(fc.integer({ min: -100, max: 100 })))
  .map(([dtype, values]): HostTensor => ({ dtype, dims: [values.length], data: arrays[dtype]!(values) }) as HostTensor);

test("records come back as they were, and equal ones are equal bytes (property)", () => {
  const records = fc.array(
    fc.record({ meta: fc.record({ count: fc.nat() }), tensors: fc.dictionary(fc.stringMatching(/^[a-z/]+$/), tensor) }),
  );
  fc.assert(
    fc.property(records, (given) => {
      const file = encodeRecords(given);
      expect(decodeRecords(file, "file")).toEqual(
        given.map(({ meta, tensors }) => ({ meta, tensors: { ...tensors } })),
      );
      expect(encodeRecords(given)).toEqual(file);
    }),
    { seed: 19 },
  );
});

test("what was cut off, or is something else, is E5002", () => {
  const file = encodeRecords([
    { meta: {}, tensors: { x: { dtype: "float32", dims: [4], data: new Float32Array(4) } } },
  ]);
  for (const damaged of [file.subarray(0, file.length - 8), file.subarray(0, 3), new Uint8Array(64).fill(255)]) {
    expect(() => decodeRecords(damaged, "file")).toThrow(expect.objectContaining({ code: "E5002" }));
  }
});
