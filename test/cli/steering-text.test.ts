/** What a foreign registry may hold: text that would steer a terminal or turn its letters around. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { expect } from "vitest";
import { type Lab, test, until } from "./cli-process.js";

const STEERING = "\u001b]0;x\u0007\u009b31m\u202eZ\u2066\u200f\u007f";
const STEERS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;
const LONG_AGO = "2026-01-01T00:00:00.000000Z";
const FREE_ID = `X${STEERING}`;
const HELD = `held${STEERING}`;
const HOST = `host${STEERING}\nnamehold: forged`;

const COMMANDS: readonly (readonly [title: string, ...args: readonly string[]])[] = [
  ["a list", "list"],
  ["a free name", "show", "arm"],
  ["a held name", "show", HELD],
  ["an ID", "resolve", "arm"],
  ["a name that does not exist", "resolve", `none${STEERING}`],
  ["what could be removed", "clean", "--dry-run"],
  ["a name that exists already", "rename", HELD, "arm"],
  ["a name that is held", "rename", HELD, "pump"],
  ["a new name", "rename", "arm", "pump", "--force"],
  ["a history", "history", HELD],
  ["a refusal", "run", HELD, "--", "true"],
  ["a check-up", "doctor"],
];

function furnish(lab: Lab): void {
  const at = (ms: number): string => `${new Date(Date.now() + ms).toISOString().slice(0, -1)}000Z`;
  const lock = {
    holder_pid: 7,
    holder_host: HOST,
    holder_instance: `instance${STEERING}`,
    acquired_at: at(-5_000),
    heartbeat_at: at(-1_000),
    expires_at: at(3_600_000),
  };
  const entry = (id: string, of: object | null) => ({
    id,
    component_type: "node",
    created_at: LONG_AGO,
    last_seen: LONG_AGO,
    metadata: { [`key${STEERING}`]: STEERING },
    lock: of,
    workcell_id: `cell${STEERING}`,
  });
  const entries = { arm: entry(FREE_ID, null), [HELD]: entry("01J0000000000000000000000A", lock) };
  mkdirSync(dirname(lab.path), { recursive: true });
  writeFileSync(lab.path, JSON.stringify({ version: 1, created_at: LONG_AGO, updated_at: LONG_AGO, entries }));
}

test.for(COMMANDS)(
  "what a registry holds steers no terminal: %s, with --json and --verbose too",
  async ([, ...args], { lab }) => {
    const dashes = args.indexOf("--");
    const [own, rest] = dashes === -1 ? [args, []] : [args.slice(0, dashes), args.slice(dashes)];
    for (const options of [[], ["--json"], ["--verbose"], ["--json", "--verbose"]]) {
      furnish(lab);
      const { stdout, stderr, status } = await lab.run(...own, ...options, ...rest);
      const shown = stdout + stderr;
      expect(shown, `status ${status} with ${options.join(" ")}`).not.toBe("");
      expect(JSON.stringify(STEERS.exec(shown)), shown).toBe("null");
      expect(shown).not.toMatch(/^namehold: forged/m);
    }
  },
);

test.for([[["--verbose"]], [["--verbose", "--json"]]])(
  "what is told of a registry's changes steers no terminal, with %j",
  async ([options = []], { lab }) => {
    const watch = lab.start("watch", ...options);
    await watch.message(/Watching/);
    furnish(lab);
    await until("the name", () => watch.stdout.includes("held\\u001b"));
    expect(JSON.stringify(STEERS.exec(watch.stdout)), watch.stdout).toBe("null");
  },
);

test("what is escaped in --json means the same", async ({ lab }) => {
  furnish(lab);
  expect(await lab.json("resolve", "arm")).toMatchObject({ name: "arm", id: FREE_ID });
  expect(await lab.json("show", HELD)).toMatchObject({ name: HELD, holder: { host: HOST } });
});
