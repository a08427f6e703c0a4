import { basename } from "node:path";
import { expect, test } from "vitest";
import { DIGITS_MODEL, writeDigits } from "../helpers/digits.js";
import { equant, temporaryFolder } from "../helpers/run.js";

interface Ablated {
  readonly result: { readonly models: readonly { stopped: boolean; columns: { name: string }[] }[] };
}

test("a table that is stopped is printed as far as it is", { timeout: 60_000 }, async () => {
  const cwd = await temporaryFolder();
  const data = basename(await writeDigits(cwd, 200));
  const argv = ["ablate", DIGITS_MODEL, DIGITS_MODEL, "--data", data, "--preset", "zero-one", "--progress", "plain"];
  const run = await equant([...argv, "--split", "0.2", "--json"], {
    cwd,
    onStart: (io) => void io.stderrHas("ablate 2/").then(() => io.send("SIGTERM")),
  });
  expect(run.code, run.stderr).toBe(143);
  const { models } = run.json<Ablated>().result;
  expect(models).toHaveLength(1);
  expect(models[0]!.stopped).toBe(true);
  expect(models[0]!.columns.map(({ name }) => name).slice(0, 3)).toEqual(["none", "one-step", "two-step"]);
  expect(models[0]!.columns.length).toBeLessThan(6);
});
