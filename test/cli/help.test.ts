import { spawnSync } from "node:child_process";
import { describe, expect } from "vitest";
import { buildProgram } from "../../src/cli/app.js";
import { documentationOf } from "../../src/cli/command-definition.js";
import { FAILURES } from "../../src/core/errors.js";
import { MAIN, test } from "./cli-process.js";

const program = buildProgram([]);
const commands = [program, ...program.createHelp().visibleCommands(program)];
const WIDTH = 80;

describe.concurrent("the help of", () => {
  test.for(commands.map((command) => ({ name: command.name(), command })))(
    "$name is plain text of 80 columns where there is no terminal, with examples and exit statuses",
    async ({ name, command }, { lab }) => {
      const words = command === program ? [] : [name];
      const { status, stdout, stderr } = await lab.startWith({ FORCE_COLOR: "1" }, ...words, "--help").ended;
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      expect(stdout).not.toContain("\x1b");
      const lines = stdout.split("\n");
      // An example is one line, so that it can be copied.
      const examples = documentationOf(command)?.examples.map((example) => `  ${example}`) ?? [];
      expect(lines).toEqual(expect.arrayContaining([...examples, "Exit status:"]));
      expect(lines.filter((line) => line.length > WIDTH && !examples.includes(line))).toEqual([]);
    },
  );
});

test("help of a command is shown by namehold help, too", async ({ lab }) => {
  for (const words of [["list"], ["run"], []]) {
    const { stdout } = await lab.run(...words, "--help");
    expect(await lab.run("help", ...words)).toMatchObject({ status: 0, stdout, stderr: "" });
  }
  expect(await lab.run("help", "lost")).toMatchObject({
    status: FAILURES["invalid-input"].exitStatus,
    stdout: "",
    stderr: "namehold: There is no command 'lost'. See namehold --help.\n",
  });
});

test("what looks like an option where a name is wanted is refused with the way to write it", async ({ lab }) => {
  const { status, stderr } = await lab.run("show", "-x");
  expect(status).toBe(FAILURES["invalid-input"].exitStatus);
  expect(stderr).toBe(
    "namehold: unknown option '-x'. What begins with a dash and is no option goes behind --. See namehold show --help.\n",
  );
  expect((await lab.run("show", "--", "-x")).status).toBe(FAILURES["not-found"].exitStatus);
  expect((await lab.run("init", "-x")).stderr).toContain("goes behind --");
  expect((await lab.run("list", "-x")).stderr).toBe("namehold: unknown option '-x'. See namehold list --help.\n");
});

test("help whose reader has seen enough ends quietly", () => {
  const shell = `set -o pipefail; "${process.execPath}" "${MAIN}" run --help | head -1`;
  const { status, stdout, stderr } = spawnSync("bash", ["-c", shell], { encoding: "utf8" });
  expect({ status, stdout, stderr }).toEqual({
    status: 0,
    stdout: "Usage: namehold run <name> [options] -- <command> [arguments...]\n",
    stderr: "",
  });
});
