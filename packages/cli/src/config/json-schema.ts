import { z } from "zod";
import { configSchema } from "./schema.js";

/** The published schema of equant.config.json (packages/cli/schema/config-1.json; a test keeps them equal). */
export function configJsonSchema(): object {
  return { title: "equant.config.json", ...z.toJSONSchema(configSchema, { target: "draft-2020-12" }) };
}
