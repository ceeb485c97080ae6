/** Real time: what takes longer than a second on a real terminal. */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect } from "vitest";
import { shellWord } from "../../src/core/shell-word.js";
import { type Lab, test } from "./cli-process.js";
import { startShellOnTerminal } from "./terminal.js";

const MODULE = pathToFileURL(resolve("dist/cli/progress.js")).href;
const ERASE = "\u001b[K";

/** Reads three entries, the last two after so long, and then prints `done`, or fails. */
function startReading(lab: Lab, { afterMs, ending = "", fails = false, step }: ReadingOptions) {
  const program = `
    import { setTimeout as delay } from "node:timers/promises";
    import { withProgress } from ${JSON.stringify(MODULE)};
    await withProgress("Reading", async (onProgress) => {
      onProgress(1);
      await delay(${afterMs});
      onProgress(2${step === undefined ? "" : `, ${JSON.stringify(step)}`});
      onProgress(3);
      if (${fails}) throw new Error();
    }).then(() => console.log("done"), () => console.log("failed"));`;
  const command = [process.execPath, "--input-type=module", "-e", program].map(shellWord).join(" ");
  return startShellOnTerminal(lab, 40, `${command} ${ending}`);
}

interface ReadingOptions {
  readonly afterMs: number;
  readonly ending?: string;
  readonly fails?: boolean;
  readonly step?: readonly [what: string, unit: string];
}

describe.concurrent("progress", () => {
  test("is shown after a second, not for every entry, and is gone before what follows", async ({ lab }) => {
    const { stdout } = await startReading(lab, { afterMs: 1_100 }).ended;
    expect(stdout).toBe(`\rReading: 2 names${ERASE}\r${ERASE}done\r\n`);
  });

  test("names the step that it is of, and what is counted", async ({ lab }) => {
    const { stdout } = await startReading(lab, { afterMs: 1_100, step: ["Moving history", "holds"] }).ended;
    expect(stdout).toBe(`\rMoving history: 2 holds${ERASE}\r${ERASE}done\r\n`);
  });

  test("is gone after a failure, too", async ({ lab }) => {
    const { stdout } = await startReading(lab, { afterMs: 1_100, fails: true }).ended;
    expect(stdout).toBe(`\rReading: 2 names${ERASE}\r${ERASE}failed\r\n`);
  });

  test("is not shown of what is quick, nor where standard error is no terminal", async ({ lab }) => {
    const quick = startReading(lab, { afterMs: 0 });
    const unseen = startReading(lab, { afterMs: 1_100, ending: "2>&1 | cat" });
    for (const { ended } of [quick, unseen]) expect((await ended).stdout).toBe("done\r\n");
  });
});
