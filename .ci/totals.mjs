import { existsSync, readFileSync } from 'node:fs';

/** Prints the totals of a jest report; fails when jest did, when a test failed, or when none ran. */
const [reportFile, jestStatus] = process.argv.slice(2);
const report = existsSync(reportFile) ? JSON.parse(readFileSync(reportFile, 'utf8')) : {};

const passed = report.numPassedTests ?? 0;
// A suite that could not even be loaded has no tests to count, and is a failure all the same.
const failed = (report.numFailedTests ?? 0) + (report.numRuntimeErrorTestSuites ?? 0);
const skipped = (report.numPendingTests ?? 0) + (report.numTodoTests ?? 0);

console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = Number(jestStatus) || (failed > 0 || passed === 0 ? 1 : 0);
