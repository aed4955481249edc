// Prints "N passed, N failed" from a JSON report of vitest; the exit code is 1 when something failed.
import { readFileSync } from 'node:fs';

const [file, status] = process.argv.slice(2);
const report = JSON.parse(readFileSync(file, 'utf8'));
let passed = 0;
let failed = 0;
for (const { status: outcome, assertionResults } of report.testResults) {
  const count = (wanted) => assertionResults.filter((result) => result.status === wanted).length;
  passed += count('passed');
  // a file that does not load has no results of its own
  failed += count('failed') || (outcome === 'failed' ? 1 : 0);
}
if (status !== '0' && failed === 0) failed = 1; // an error outside of any test
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
