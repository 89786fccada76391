/**
 * What vitest's JSON reports say, for `.ci/run`.
 *
 *   node .ci/tests.mjs failed <report>              the files with a failed test, one a line; none when they are more
 *                                                   than a busy machine explains
 *   node .ci/tests.mjs count <report> [<second>]    "<passed> <failed>", where the second run of the failed files
 *                                                   stands in for the first; names what only the second run passed
 */
import { readFileSync } from 'node:fs';

/** More files than this do not fail by chance. */
const MAX_FILES_AGAIN = 3;

const [what, first, second] = process.argv.slice(2);
const files = read(first);

if (what === 'failed') {
  const failed = [...files].filter(([, { failed: titles }]) => titles.length > 0).map(([name]) => name);
  if (failed.length <= MAX_FILES_AGAIN) for (const name of failed) process.stdout.write(`${name}\n`);
} else {
  for (const [name, again] of second ? read(second) : []) {
    const before = files.get(name)?.failed ?? [];
    for (const title of before.filter((each) => !again.failed.includes(each))) {
      process.stderr.write(`passed only when its file was run again by itself: ${name}: ${title}\n`);
    }
    files.set(name, again);
  }
  const results = [...files.values()];
  const passed = results.reduce((sum, each) => sum + each.passed, 0);
  const failed = results.reduce((sum, each) => sum + each.failed.length, 0);
  process.stdout.write(`${passed} ${failed}\n`);
}

/** By file. One that could not even be loaded has one failure; a report that was never written has no files. */
function read(path) {
  let report;
  try {
    report = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return new Map();
  }
  return new Map(
    report.testResults.map(({ name, status, message, assertionResults }) => {
      const titles = (wanted) =>
        assertionResults.filter((each) => each.status === wanted).map((each) => each.fullName);
      const failed = titles('failed');
      if (status === 'failed' && failed.length === 0) failed.push(`the file itself: ${message}`);
      return [name, { passed: titles('passed').length, failed }];
    }),
  );
}
