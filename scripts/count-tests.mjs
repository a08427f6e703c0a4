// Adds up the JSON reports of the test runs and prints «N passed, N failed»; fails where a run left no report.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const folder = process.argv[2] ?? "build/results";
const expected = ["node-22.json", "node-24.json", "real.json", "test.json"];
let passed = 0;
let failed = 0;
const found = new Set();
try {
  for (const file of readdirSync(folder)) {
    if (!file.endsWith(".json")) continue;
    const report = JSON.parse(readFileSync(join(folder, file), "utf8"));
    passed += report.numPassedTests;
    failed +=
      report.numFailedTests +
      report.testResults.filter((r) => r.status === "failed" && r.assertionResults.length === 0).length;
    found.add(file);
  }
} catch {
  // No folder: counted as missing below.
}
const missing = expected.filter((file) => !found.has(file));
failed += missing.length;
for (const file of missing) process.stderr.write(`count-tests: no report ${file}: that run did not finish\n`);
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
