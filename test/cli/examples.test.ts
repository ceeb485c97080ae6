/** Every example of every command's help, run as a reader would: with a shell, in a lab with two names. */
import { spawn } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect } from "vitest";
import { buildProgram } from "../../src/cli/app.js";
import { documentationOf } from "../../src/cli/command-definition.js";
import { CliProcess, type Lab, MAIN, test } from "./cli-process.js";

/** The ID that the examples speak of. */
const ID = "01JYFH2Q4N6Z0V5X1T8R3C7W9K";
const OTHER_ID = "01JYFH2Q4N6Z0V5X1T8R3C7W9M";
const TIME = "2026-01-05T08:00:00.000000Z";

/** What must be so before the examples of a command. */
const SCENES: Readonly<Record<string, (lab: Lab) => Promise<unknown>>> = {
  init: async (lab) => rmSync(dirname(lab.path), { recursive: true }),
  revoke: startHolder,
  release: async (lab) => {
    const holder = await startHolder(lab);
    holder.kill("SIGKILL");
    await holder.ended;
  },
};

/** What happens again and again while the examples of a command run. */
const EVENTS: Readonly<Record<string, readonly string[]>> = { watch: ["run", "liquidhandler_1", "--", "true"] };

const program = buildProgram([]);
const commands = [program, ...program.createHelp().visibleCommands(program)];

test.each(commands.map((command) => ({ name: command.name(), command })))(
  "$name tells in its help by an example how it is used",
  ({ command }) => {
    expect(documentationOf(command)?.examples).not.toHaveLength(0);
    expect(command.registeredArguments.filter(({ description }) => description === "")).toEqual([]);
  },
);

const examples = commands.flatMap((command) =>
  (documentationOf(command)?.examples ?? []).map((example) => ({ name: command.name(), example })),
);

describe.concurrent("an example in the help of", () => {
  test.for(examples)("$name works: $example", async ({ name, example }, { lab }) => {
    furnish(lab);
    await SCENES[name]?.(lab);
    const running = runInShell(lab, example);
    const event = EVENTS[name];
    if (event !== undefined) await repeatBeside(running, () => lab.run(...event));
    const { status, stdout, stderr } = await running.ended;
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/\S/);
  });
});

async function repeatBeside({ child }: CliProcess, event: () => Promise<unknown>): Promise<void> {
  while (child.exitCode === null) await event();
}

function furnish(lab: Lab): void {
  const entry = (id: string) => ({
    id,
    component_type: "node",
    created_at: TIME,
    last_seen: TIME,
    metadata: {},
    workcell_id: null,
    lock: null,
  });
  const entries = { liquidhandler_1: entry(ID), liquidhandler_2: entry(OTHER_ID) };
  mkdirSync(dirname(lab.path));
  writeFileSync(lab.path, JSON.stringify({ version: 1, created_at: TIME, updated_at: TIME, entries }));
  writeFileSync(join(lab.directory, "liquidhandler.py"), "print('ready')\n");
  mkdirSync(join(lab.directory, "bin"));
  symlinkSync(MAIN, join(lab.directory, "bin", "namehold"));
  symlinkSync(process.execPath, join(lab.directory, "bin", "node"));
}

function runInShell(lab: Lab, commandLine: string): CliProcess {
  const bin = join(lab.directory, "bin");
  return new CliProcess(
    spawn("bash", ["-c", commandLine], {
      cwd: lab.directory,
      env: { PATH: `${bin}:${process.env["PATH"]}`, HOME: lab.directory },
      stdio: ["ignore", "pipe", "pipe"],
    }),
  );
}

async function startHolder(lab: Lab): Promise<CliProcess> {
  const holder = lab.start("run", "liquidhandler_1", "--", "sh", "-c", "echo up; exec sleep 60");
  await holder.line(/up/);
  return holder;
}
