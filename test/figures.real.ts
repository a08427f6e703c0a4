import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { equant, temporaryFolder } from "../packages/cli/test/helpers/run.js";
import { type SHARED_MODELS, sharedModel, sharedPath } from "../packages/core/test/helpers/shared.js";

/**
 * The commands of docs/figures.md. Bars stand below the figures by what chance moves: one point on 500 images is five
 * of them, half a point on 2000 is ten, and processors with other integer kernels round other values.
 */

type Name = (typeof SHARED_MODELS)[number];

interface Network {
  readonly calibration: string;
  readonly labelled: string;
  readonly preprocessing: readonly string[];
}

const TF = ["--preset", "tf"];
const PER_TENSOR = ["--granularity", "per-tensor"];
const NETWORKS: Partial<Record<Name, Network>> = {
  "mobilenet_v1_0.75_224": { calibration: "imagenet-sample", labelled: "imagenet-sample", preprocessing: TF },
  "mobilenet_v2_0.35_224_cifar10head": { calibration: "cifar10/calib", labelled: "cifar10/test", preprocessing: TF },
  cifar_resnet20: { calibration: "cifar10/calib", labelled: "cifar10/test", preprocessing: ["--preset", "imagenet"] },
  mlperf_resnet8: { calibration: "cifar10/calib", labelled: "cifar10/test", preprocessing: ["--preset", "raw"] },
};

interface Figures {
  float: number;
  top1: number;
  drop: number;
  bytes: number;
  floatBytes: number;
}

async function measure(command: "quantize" | "compress", name: Name, flags: readonly string[] = []): Promise<Figures> {
  const { calibration, labelled, preprocessing } = NETWORKS[name]!;
  const cwd = await temporaryFolder();
  const model = sharedModel(name);
  const output = join(cwd, "out.onnx");
  const data = ["--data", sharedPath("data", calibration), ...preprocessing];
  const made = await equant([command, model, ...flags, ...data, "--samples", "100", "-o", output, "-q"], { cwd });
  expect(made.code, made.stderr).toBe(0);
  const judged = await equant(
    [
      "validate",
      output,
      "--against",
      model,
      "--data",
      sharedPath("data", labelled),
      ...preprocessing,
      "--no-latency",
      "--json",
    ],
    { cwd },
  );
  expect(judged.code, judged.stderr).toBe(0);
  const { result } = judged.json<{
    result: { baseline: { top1: number; bytes: number }; candidate: { top1: number; bytes: number }; drop: number };
  }>();
  return {
    float: result.baseline.top1,
    top1: result.candidate.top1,
    drop: result.drop,
    bytes: (await readFile(output)).length,
    floatBytes: result.baseline.bytes,
  };
}

describe("quantize", () => {
  test("MobileNetV1 per channel", async () => {
    const { float, top1, bytes, floatBytes } = await measure("quantize", "mobilenet_v1_0.75_224");
    expect(float).toBeCloseTo(0.846, 6);
    expect(top1).toBeGreaterThanOrEqual(0.825);
    expect(bytes).toBeLessThanOrEqual(0.27 * floatBytes);
  });

  test.each(["cifar_resnet20", "mlperf_resnet8"] as const)("%s per tensor", async (name) => {
    const { drop } = await measure("quantize", name, PER_TENSOR);
    expect(drop).toBeLessThanOrEqual(0.008);
  });
});

describe("compress", () => {
  test.each([
    ["mobilenet_v1_0.75_224", PER_TENSOR, 0.83],
    ["mobilenet_v2_0.35_224_cifar10head", [], 0.715],
  ] as const)("%s %s", async (name, flags, bar) => {
    const { top1 } = await measure("compress", name, flags);
    expect(top1).toBeGreaterThanOrEqual(bar);
  });

  test.each(["cifar_resnet20", "mlperf_resnet8"] as const)("%s loses next to nothing", async (name) => {
    const { drop } = await measure("compress", name);
    expect(drop).toBeLessThanOrEqual(0.01);
  });
});
