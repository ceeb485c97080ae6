import { readFileSync, writeFileSync } from "node:fs";
import { sourceFiles } from "./source-files.ts";
import { guaranteedTests, specProblems, withTestLists } from "./spec-tests.ts";

/** Fails when docs/SPEC.md and the tests disagree. With --write it makes the lists in SPEC anew first. */
const SPEC = "docs/SPEC.md";

const found = sourceFiles("test/**/*.ts", "src/testing/**/*.ts")
  // The tests of this check speak of made-up guarantees.
  .filter(({ path }) => !path.startsWith("test/scripts/"))
  .map(guaranteedTests);
const tests = found.flatMap((file) => file.tests);

if (process.argv.includes("--write")) writeFileSync(SPEC, withTestLists(readFileSync(SPEC, "utf8"), tests));
const problems = [...found.flatMap((file) => file.problems), ...specProblems(readFileSync(SPEC, "utf8"), tests)];
for (const problem of problems) console.error(problem);
if (problems.length > 0) {
  console.error(`\nnode scripts/check-spec.ts --write makes the lists in ${SPEC} anew.`);
  process.exitCode = 1;
} else {
  console.log(`SPEC: ${tests.length} tests, listed under each guarantee that they name`);
}
