import { DataError } from "@equant/core/errors";
import { z } from "zod";
import { REPORT_SCHEMA, type Report, reportSchema } from "./schema.js";

/**
 * Reads report.json.
 * @throws {DataError} E5002 when it is not one, with the place that is wrong.
 */
export function readReport(text: string, file = "report.json"): Report {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new DataError("E5002", `${file}: not JSON, or cut off`, { file, hint: "write the report again" }, error);
  }
  return checkReport(json, file);
}

/** Checks a report that is an object already. @throws {DataError} E5002. */
export function checkReport(json: unknown, file = "report"): Report {
  const result = reportSchema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const at = issue.path.join(".");
  throw new DataError("E5002", `${file}: ${at === "" ? "" : `${at}: `}${issue.message}`, {
    file,
    hint: `expected the format ${REPORT_SCHEMA}`,
  });
}

/** JSON Schema of report.json, made from what checks it. */
export function reportJsonSchema(): object {
  return z.toJSONSchema(reportSchema);
}
