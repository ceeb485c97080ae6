import { setTimeout as delay } from "node:timers/promises";
import { describe, expect } from "vitest";
import { FAILURES } from "../../src/core/errors.js";
import { type CliProcess, type Lab, test } from "./cli-process.js";
import { startOnTerminal } from "./terminal.js";

interface HoldInJson {
  readonly name: string;
  readonly status: string;
  readonly token: number;
  readonly since: string;
  readonly until: string | null;
  readonly last_heartbeat: string;
  readonly holder: { readonly pid: number };
}

describe("history", () => {
  test("tells who held a name, from when to when, how it ended, and who has it now", async ({ lab }) => {
    await lab.run("run", "arm", "--", "true");
    const run = await startHolder(lab);
    const { stdout, stderr, status } = await lab.run("history", "arm");
    expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
    const [, head, , now, before] = stdout.split("\n").map(cellsOf);
    expect(head).toEqual(["From", "To", "How it ended", "Holder", "Token"]);
    expect(now?.slice(1, 4)).toEqual(["", "held", expect.stringContaining(`(PID ${run.pid})`)]);
    expect(before?.[2]).toBe("released");
    expect(Number(now?.[4])).toBeGreaterThan(Number(before?.[4]));
    const json = await historyOf(lab, "arm");
    expect(json.map(({ status, until }) => [status, until === null])).toEqual([
      ["held", true],
      ["released", false],
    ]);
  });

  test("of a holder that was killed tells that it crashed, and when it was last alive", async ({ lab }) => {
    const run = await startHolder(lab);
    const guardianPid = await run.guardianPid();
    run.kill("SIGKILL");
    await run.ended;
    await lab.gone(guardianPid);
    expect((await lab.run("history", "arm")).stdout).toMatch(/ crashed \(last heartbeat [\d:]+Z\) /);
    await lab.run("run", "arm", "--", "true");
    const [next, crashed, ...others] = await historyOf(lab, "arm");
    expect(others).toEqual([]);
    expect([next?.status, crashed?.status]).toEqual(["released", "crashed"]);
    expect(crashed?.holder.pid).toBe(run.pid);
    expect(crashed?.until).toBe(next?.since);
  });

  test("tells of a revocation by the operator's words, and of a rename by the new name", async ({ lab }) => {
    const run = await startHolder(lab, "--ttl", "6s");
    await lab.run("revoke", "arm", "--reason", "oil\u001b[2J change");
    await run.ended;
    const next = await startHolder(lab, "--ttl", "6s");
    await lab.run("rename", "arm", "left arm", "--force");
    await next.ended;
    const { stdout } = await lab.run("history", "left arm");
    expect(stdout).not.toContain("\u001b");
    expect(stdout).toMatch(/│ arm +│.* renamed to left arm /);
    expect(stdout).toMatch(/│ arm +│.* revoked: oil\\u001b\[2J change /);
    expect(stdout).toMatch(/│ left arm +│.* revoked: renamed/);
    const story = (await historyOf(lab, "left arm")).map(({ name, status }) => [name, status]);
    expect(story).toEqual([
      ["left arm", "revoked"],
      ["arm", "renamed"],
      ["arm", "revoked"],
    ]);
  });

  test("--at tells who held what at a moment, and which names were free", async ({ lab }) => {
    await lab.run("run", "free", "--", "true");
    const run = await startHolder(lab);
    await delay(1_100);
    const at = new Date().toISOString();
    await delay(1_100);
    run.kill("SIGTERM");
    await run.ended;
    await lab.run("run", "arm", "--", "true");
    const { stdout, stderr } = await lab.run("history", "--at", at);
    expect(stderr).toBe("");
    const rows = stdout.split("\n").map(cellsOf);
    expect(rows.filter(([name]) => name === "arm")).toEqual([expect.arrayContaining(["arm", "held", "released"])]);
    expect(stdout).toContain("\nNo hold on record: free.\n");
    const json = JSON.parse((await lab.run("history", "--at", at, "--json")).stdout) as object;
    expect(json).toMatchObject({
      at,
      holds: [{ name: "arm", at_that_time: "held", holder: { pid: run.pid } }],
      no_hold_on_record: ["free"],
    });
  });

  test("--at tells of a name that nobody held then who came before and after", async ({ lab }) => {
    await lab.run("run", "arm", "--", "true");
    const before = (await lab.run("history", "arm", "--at", "-1h")).stdout;
    expect(before).toMatch(/Nobody is known to have held arm\.\nAfter: arm by .*\(PID \d+\), released, from .*Z\.\n/);
    expect(before).toContain("what was before it is not known");
    const after = (await lab.run("history", "arm", "--at", "-0ms")).stdout;
    expect(after).toMatch(/Nobody is known to have held arm\.\nBefore: arm by .*, released, from .*Z to .*Z\.\n/);
  });

  test("--at means all of the second that the table shows, and tells since when there is a record", async ({ lab }) => {
    await lab.run("run", "arm", "--", "true");
    const [hold] = await historyOf(lab, "arm");
    const shown = (hold?.since ?? "").replace(/\.\d+Z$/, "Z");
    const at = (await lab.json("history", "arm", "--at", shown)) as object;
    const [from, until] = [shown.replace("Z", ".000Z"), shown.replace("Z", ".999Z")];
    expect(at).toMatchObject({ at: from, known_since: hold?.since, holds: [{ name: "arm", at_that_time: "held" }] });
    expect([until, expect.stringMatching(/Z$/)]).toContainEqual((at as { at_until: string }).at_until);
    expect((await lab.run("history", "arm", "--at", shown)).stdout).toMatch(/│ held +│ .*released/);
    const before = await lab.json("history", "arm", "--at", "-30d");
    expect(before).toMatchObject({ holds: [], known_since: hold?.since });
  });

  test("--at of a registry without a record tells that nothing is known", async ({ lab }) => {
    expect(await lab.json("history", "--at", "-1h")).toMatchObject({ holds: [], known_since: null });
  });

  test("on a narrow terminal is a block a hold, with whole times", async ({ lab }) => {
    await lab.run("run", "arm", "--", "true");
    await lab.run("run", "arm", "--", "true");
    const shown = startOnTerminal(lab, 40, "history");
    await shown.ended;
    const time = "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ";
    const block = `Name +arm\nFrom +${time}\nTo +${time}\nHow it ended +released\nHolder +.* \\(PID \\d+\\)\nToken +\\d+\n`;
    expect(shown.shown).toMatch(new RegExp(`^${block}\n${block}$`));
    const wide = startOnTerminal(lab, 80, "history");
    await wide.ended;
    expect(wide.shown).toMatch(new RegExp(`│ arm +│ ${time} │ ${time} │`));
  });

  test("--at does not say that a silent holder held", async ({ lab }) => {
    const run = await startHolder(lab);
    const guardianPid = await run.guardianPid();
    run.kill("SIGKILL");
    await run.ended;
    await lab.gone(guardianPid);
    await delay(50);
    expect((await lab.run("history", "--at", new Date().toISOString())).stdout).toMatch(/│ silent since [\d:]+Z +│/);
  });

  test("--at takes a clock time as the last such local time, and says what it has understood", async ({ lab }) => {
    const { stdout } = await lab.startWith({ TZ: "Asia/Kolkata" }, "history", "--at", "02:13").ended;
    const [, date, utc] = /^At (\S+) 02:13:00 \(Asia\/\w+, UTC\+05:30\), (\S+):\n/.exec(stdout) ?? [];
    expect(utc).toMatch(/T20:43:00Z$/);
    expect(Date.parse(`${date}T02:13:00+05:30`)).toBe(Date.parse(utc ?? ""));
    const agoMs = Date.now() - Date.parse(utc ?? "");
    expect(agoMs > 0 && agoMs <= 24 * 3_600_000).toBe(true);
  });

  test("shows the newest holds up to the limit, and says that there are more [G12]", async ({ lab }) => {
    for (let i = 0; i < 3; i += 1) await lab.run("run", "arm", "--", "true");
    const all = await historyOf(lab);
    const limited = await lab.run("history", "--limit", "2", "--json");
    expect(JSON.parse(limited.stdout)).toEqual(all.slice(0, 2));
    expect(limited.stderr).toBe('{"warning":"The newest 2 of 3 holds are shown. --limit shows more."}\n');
  });

  test.for<readonly [string[], RegExp]>([
    [
      ["history", "--at", "noon"],
      /argument 'noon' is invalid\. Write a local time \(02:13, 02:13:20\).* See namehold history --help\.$/,
    ],
    [
      ["history", "--limit", "0"],
      /argument '0' is invalid\. Write a number from 1 on\. See namehold history --help\.$/,
    ],
    [["history", "nobody"], /There is no registry at \S*registry\.json\b\./],
  ])("%j is refused in one sentence [G11]", async ([args, message], { lab }) => {
    const { status, stdout, stderr } = await lab.run(...args);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^namehold: .*\n$/);
    expect(stderr.trimEnd()).toMatch(message);
    expect(status).toBe(FAILURES[args[1] === "nobody" ? "not-found" : "invalid-input"].exitStatus);
  });

  test("of a registry that is not there says so, and makes nothing", async ({ lab }) => {
    expect(await lab.run("history")).toMatchObject({
      status: 0,
      stdout: `There is no registry at ${lab.path}.\n`,
      stderr: "",
    });
    expect(await historyOf(lab)).toEqual([]);
  });
});

async function startHolder(lab: Lab, ...options: readonly string[]): Promise<CliProcess> {
  const run = lab.start("run", "arm", ...options, "--", "sh", "-c", "echo up; exec sleep 60");
  await run.line(/up/);
  return run;
}

async function historyOf(lab: Lab, ...args: readonly string[]): Promise<readonly HoldInJson[]> {
  return (await lab.json("history", ...args)) as readonly HoldInJson[];
}

function cellsOf(line: string): readonly string[] {
  return line
    .split("│")
    .slice(1, -1)
    .map((cell) => cell.trim());
}
