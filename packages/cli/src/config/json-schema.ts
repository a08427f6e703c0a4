import { z } from "zod";
import { shell } from "./schema.js";
import { stepsSchema } from "./steps.js";

const whole = z.strictObject({ ...shell.shape, steps: stepsSchema.optional() });

/** The published schema of equant.config.json (packages/cli/schema/config-1.json; a test keeps them equal). */
export function configJsonSchema(): object {
  return { title: "equant.config.json", ...z.toJSONSchema(whole, { target: "draft-2020-12" }) };
}
