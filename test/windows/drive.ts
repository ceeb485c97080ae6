/**
 * Drives what was built as Windows runs it, on Windows itself (`node test/windows/drive.ts`) or under Wine
 * (scripts/wine/run.sh). It stands apart from vitest, which does not run under Wine, and keeps to what Node 22 reads.
 *
 * `--only TEXT` runs the cases whose title has the text.
 *
 * Says of each case whether it passed, and writes `{ "passed": N, "failed": M }` to the file after `--report`.
 */
import { writeFileSync } from "node:fs";
import { commandCases } from "./command-cases.ts";
import { fileCases } from "./file-cases.ts";
import { holderCases } from "./holder-cases.ts";
import { Lab } from "./lab.ts";

const CASE_MS_MAX = 60_000;
const only = process.argv.indexOf("--only");
const wanted = only === -1 ? "" : (process.argv[only + 1] ?? "");

let passed = 0;
let failed = 0;
for (const [title, run] of Object.entries({ ...fileCases, ...holderCases, ...commandCases })) {
  if (!title.includes(wanted)) continue;
  const startedAt = performance.now();
  const lab = new Lab();
  try {
    await bounded(run(lab));
    passed += 1;
    say(`passed: ${title} (${Math.round(performance.now() - startedAt)} ms)`);
  } catch (error) {
    failed += 1;
    say(`FAILED: ${title}\n${error instanceof Error ? error.stack : String(error)}`);
  } finally {
    await lab.close();
  }
}
say(`${passed} passed, ${failed} failed`);
const at = process.argv.indexOf("--report");
if (at !== -1) writeFileSync(process.argv[at + 1] ?? "", JSON.stringify({ passed, failed }));
process.exit(failed === 0 ? 0 : 1);

async function bounded(running: Promise<void> | void): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`It took more than ${CASE_MS_MAX} ms.`)), CASE_MS_MAX);
  });
  try {
    await Promise.race([running, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
