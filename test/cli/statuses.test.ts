/** How a name is shown whose holder is gone, is silent, or was lost in damage. Real time is the subject: TTLs are short. */
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect } from "vitest";
import { type CliProcess, type Lab, sendSignal, test } from "./cli-process.js";

const METADATA =
  '{\n        "f": 1.0,\n        "big": 9007199254740993,\n        "nz": -0.0,\n        "x": NaN,\n        "s": "NaN  1.0 gr\\u00f6\\u00dfe"\n      }';

/** Nothing of it runs meanwhile: `run`, its guardian and its command are stopped. */
async function whileStopped(run: CliProcess, look: () => Promise<void>): Promise<void> {
  const guardianPid = await run.guardianPid();
  for (const pid of [run.pid, guardianPid, await run.printedPid("near")]) sendSignal(pid, "SIGSTOP");
  try {
    await look();
  } finally {
    sendSignal(guardianPid, "SIGKILL");
  }
}

async function expirePythonLock(lab: Lab): Promise<void> {
  const registry = JSON.parse(readFileSync(lab.path, "utf8")) as { entries: Record<string, object> };
  const time = (inMs: number): string => new Date(Date.now() + inMs).toISOString();
  const lock = {
    holder_pid: 77,
    holder_host: "pythonhost",
    holder_instance: "python",
    acquired_at: time(0),
    heartbeat_at: time(0),
    expires_at: time(50),
  };
  Object.assign(registry.entries["arm"] ?? {}, { lock });
  writeFileSync(lab.path, JSON.stringify(registry, null, 2));
  await delay(60);
}

describe.concurrent("a name whose holder shows no sign of life", () => {
  test("is silent, not crashed: its process is stopped, and may go on", async ({ lab }) => {
    const run = lab.start("run", "arm", "--ttl", "1s", "--", "sh", "-c", "echo near=$$; exec sleep 60");
    await whileStopped(run, async () => {
      await delay(1_200);
      expect(await lab.json("list")).toMatchObject([{ status: "silent", locked: false, holder: { pid: run.pid } }]);
      expect((await lab.run("list")).stdout).toMatch(/│ silent +│/);
      expect((await lab.run("show", "arm")).stdout).toMatch(/^Status +silent \(.*may be stopped, and may go on.*\)$/m);
      expect((await lab.run("history", "arm")).stdout).toMatch(/ silent \(last heartbeat [\d:]+Z\) /);
      expect(await lab.json("history", "arm")).toMatchObject([{ status: "silent", until: null }]);
      const now = (await lab.run("revoke", "arm", "--now")).stdout;
      expect(now).toMatch(/^arm is free at once\. Its former holder, .*, was silent for its TTL\. If it was stopped/);
    });
  });

  test("is silent when a Python process has let its lock expire", async ({ lab }) => {
    await lab.run("run", "arm", "--", "true");
    await expirePythonLock(lab);
    expect(await lab.json("show", "arm")).toMatchObject({ status: "silent", free_because: "expired" });
    const revoked = await lab.json("revoke", "arm", "--now");
    expect(revoked).toMatchObject({ revoked: true, former_holder: { pid: 77 }, may_act_ms: null });
  });
});

test("a run that was stopped, and whose command was ended for it, is silent in the history and to who watches", async ({
  lab,
}) => {
  const watch = lab.start("watch", "--verbose");
  await watch.message(/Watching/);
  const run = lab.start("run", "arm", "--ttl", "6s", "--", "sh", "-c", "echo near=$$; exec sleep 60");
  await run.printedPid("near");
  run.kill("SIGSTOP");
  expect(await run.ended).toMatchObject({ status: 76 });
  expect(await lab.json("history", "arm")).toMatchObject([
    { status: "silent", detail: "no sign of life in time; its command was ended", observed: false },
  ]);
  expect((await lab.run("history", "arm")).stdout).toMatch(
    / silent \(.*\): no sign of life in time; its command was ended /,
  );
  await watch.line(/free: the lock of .* \(silent: no sign of life in time; its command was ended\) was removed/);
});

test("a name that is held back after damage is said to be, until when, and to be nobody's [G8]", async ({ lab }) => {
  await lab.run("run", "arm", "--", "true");
  truncateSync(lab.path, 60);
  const [row] = (await lab.json("list")) as { until?: string }[];
  expect(row).toMatchObject({ name: "arm", status: "held-back", locked: true, holder: null });
  const until = (row?.until ?? "").replace(/\.\d+Z$/, "Z");
  expect(until).not.toBe("");
  const list = (await lab.run("list")).stdout;
  expect(list).toMatch(new RegExp(`│ held back until ${until} +│ +│`));
  expect(list).not.toContain("PID 0");
  const show = (await lab.run("show", "arm")).stdout;
  expect(show).toMatch(new RegExp(`^Status +held back until ${until} \\(the registry was damaged: .*\\)$`, "m"));
  expect(show).not.toMatch(/PID 0|^Holder/m);
  const refused = await lab.run("revoke", "arm");
  expect(refused.stderr).toMatch(/"arm" is held back until/);
});

describe.concurrent("revoke --now", () => {
  test("says who may still act, and for how long", async ({ lab }) => {
    const run = lab.start("run", "arm", "--", "sh", "-c", "echo near=$$; exec sleep 60");
    await run.printedPid("near");
    const { stdout } = await lab.run("revoke", "arm", "--now");
    expect(stdout).toMatch(
      /^arm is free at once\. Its former holder, .* \(PID \d+\), .* may act until then: for \d+ s at the latest\.\n$/,
    );
    expect(stdout).toContain(`(PID ${run.pid})`);
    expect((await lab.run("revoke", "arm", "--now")).stdout).toBe("arm is free: nobody held it.\n");
  });

  test("in JSON tells the former holder, and how many milliseconds it may act", async ({ lab }) => {
    const run = lab.start("run", "arm", "--", "sh", "-c", "echo near=$$; exec sleep 60");
    await run.printedPid("near");
    const revoked = (await lab.json("revoke", "arm", "--now")) as { may_act_ms: number };
    expect(revoked).toMatchObject({ revoked: true, former_holder: { pid: run.pid }, locked: false });
    expect(revoked.may_act_ms).toBeGreaterThan(20_000);
    expect(revoked.may_act_ms).toBeLessThanOrEqual(30_000);
    expect(await lab.json("revoke", "arm", "--now")).toMatchObject({
      revoked: false,
      former_holder: null,
      may_act_ms: null,
    });
  });
});

test("release says whether there was a lock", async ({ lab }) => {
  await lab.run("run", "arm", "--", "true");
  expect(await lab.json("release", "arm")).toEqual({ name: "arm", released: false });
  expect((await lab.run("release", "arm")).stdout).toBe("arm had no lock.\n");
  await expirePythonLock(lab);
  expect((await lab.run("release", "arm")).stdout).toBe("arm is free: its lock was removed.\n");
});

test("show prints metadata as they are stored, number forms included [G10]", async ({ lab }) => {
  await lab.run("run", "arm", "--", "true");
  writeFileSync(lab.path, readFileSync(lab.path, "utf8").replace('"metadata": {}', `"metadata": ${METADATA}`));
  const stored = '{"f":1.0,"big":9007199254740993,"nz":-0.0,"x":NaN,"s":"NaN  1.0 größe"}';
  expect((await lab.run("show", "arm")).stdout).toContain(`Metadata   ${stored}\n`);
  const { stdout } = await lab.run("show", "arm", "--json");
  for (const member of ['"f": 1.0', '"big": 9007199254740993', '"nz": -0.0', '"x": null', '"s": "NaN  1.0 größe"'])
    expect(stdout).toContain(member);
  expect(JSON.parse(stdout)).toMatchObject({ metadata_text: stored });
});

describe.concurrent("with --json", () => {
  test("what is told on standard error is a line of JSON each [G11]", async ({ lab }) => {
    await lab.run("run", "arm", "--", "true");
    await lab.run("run", "arm", "--", "true");
    const limited = await lab.run("history", "--limit", "1", "--json");
    expect(jsonLines(limited.stderr)).toEqual([{ warning: "The newest 1 of 2 holds are shown. --limit shows more." }]);
    const watch = lab.start("watch", "nobody", "--json");
    await watch.message(/Not registered/);
    watch.kill("SIGTERM");
    expect(jsonLines((await watch.ended).stderr)).toEqual([
      { warning: 'Not registered yet, and watched for: "nobody".' },
    ]);
    truncateSync(lab.path, 60);
    const damaged = await lab.run("run", "new", "--json", "--", "true");
    expect(jsonLines(damaged.stderr)).toEqual([
      { warning: expect.stringContaining("The registry was damaged") },
      { error: expect.objectContaining({ code: "damaged" }) },
    ]);
  });

  test("run and its guardian tell a loss in JSON, and --verbose is a part of it [G11]", async ({ lab }) => {
    const run = lab.start("run", "arm", "--ttl", "6s", "--json", "--", "sh", "-c", "echo near=$$; exec sleep 60");
    await run.printedPid("near");
    run.kill("SIGSTOP");
    const { stderr } = await run.ended;
    expect(jsonLines(stderr)).toEqual([
      { warning: expect.stringContaining("gave no sign of life in time") },
      { warning: expect.stringContaining("Ending the command") },
    ]);
    const verbose = await lab.run("show", "nobody", "--json", "--verbose");
    expect(jsonLines(verbose.stderr)).toEqual([
      { error: expect.objectContaining({ verbose: expect.stringContaining("not-found") }) },
    ]);
  });
});

function jsonLines(text: string): readonly unknown[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
}
