import { fileError } from "../data/errors.js";

/** Key of config.json that transformers.js reads for itself. */
const KEY = "transformers.js_config";

/**
 * `config.json` with how many files of external data each model file has: `transformers.js_config.use_external_data_format`. What else
 * the file holds stays. Undefined where nothing changes.
 * @throws {DataError} E5002 the text is no JSON object.
 */
export function withExternalData(
  text: string,
  chunks: Readonly<Record<string, number>>,
  file = "config.json",
): string | undefined {
  const config = objectOf(text, file);
  const own = isObject(config[KEY]) ? config[KEY] : {};
  const before = own.use_external_data_format;
  const after: Record<string, unknown> = isObject(before) ? { ...before } : {};
  // One number for all files is said file by file, for those that are written now.
  for (const [name, count] of Object.entries(chunks)) {
    if (count > 0) after[name] = count;
    else if (isObject(before)) delete after[name];
    else if (before) after[name] = 0;
  }
  if (before !== undefined && !isObject(before) && before !== false) after.model = before;
  if (Object.keys(after).length === 0 && before === undefined) return undefined;
  const changed = { ...config, [KEY]: { ...own, use_external_data_format: after } };
  const result = `${JSON.stringify(changed, undefined, 2)}\n`;
  return JSON.stringify(changed) === JSON.stringify(config) ? undefined : result;
}

function objectOf(text: string, file: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw fileError("E5002", file, "is no JSON", "Mend the file.", {}, error);
  }
  if (!isObject(value)) throw fileError("E5002", file, "holds no settings", "Mend the file.");
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
