import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { describe, expect } from "vitest";
import { buildProgram } from "../../src/cli/app.js";
import { bashReply, parseBashLine } from "../../src/cli/completion/bash-line.js";
import { complete } from "../../src/cli/completion/complete.js";
import { replyTo, SHELLS } from "../../src/cli/completion/replies.js";
import { COMPONENT_TYPES } from "../../src/core/entry.js";
import { FAILURES } from "../../src/core/errors.js";
import { test } from "./cli-process.js";

const program = buildProgram([]);
const NAMES = ["arm", "-arm", "two words"];
const BREAKS = " \t\n\"'><=;|&(:";

describe("what may come next", () => {
  test.each([
    ["names", "show ", ["arm", "two words"]],
    ["names", "--json show ", ["arm", "two words"]],
    ["names", "show --json ", ["arm", "two words"]],
    ["old names, but no new ones", "rename ", ["arm", "two words"]],
    ["nothing for a name that is to be made", "rename arm ", []],
    ["nothing beyond the last argument", "show arm ", []],
    ["names that look like options, behind the dashes alone", "show -- ", NAMES],
    ["nothing for a command that there is not", "no-such-command ", []],
    ["choices", "list --type ", COMPONENT_TYPES],
    ["choices", "run -t ", COMPONENT_TYPES],
    ["choices in the word", "list --type=", COMPONENT_TYPES.map((type) => `--type=${type}`)],
    ["choices", "completion ", SHELLS],
    ["nothing for a duration", "run arm --wait ", []],
    ["nothing for a text", "revoke arm --reason ", []],
    ["the dashes before a command", "run arm --wait 1s ", ["--"]],
    ["the dashes before the command of a name that looks like an option", "run -- -arm ", ["--"]],
  ])("%s: %s", (_what, line, expected) => {
    expect(valuesAfter(line)).toEqual(expected);
  });

  test("all commands but those that scripts alone call", () => {
    const values = valuesAfter("");
    expect(values).toEqual(expect.arrayContaining(["run", "list", "show", "completion"]));
    expect(values).not.toContain("complete-words");
  });

  test("options, each once", () => {
    expect(valuesAfter("run --wait 1s -")).toEqual(expect.arrayContaining(["--type", "--json", "--registry-path"]));
    expect(valuesAfter("run --wait 1s -")).not.toContain("--wait");
    expect(valuesAfter("run arm -")).toContain("--");
    expect(valuesAfter("list -")).not.toContain("--");
  });

  test.each(["-r ", "list --registry-path ", "show arm --registry-path="])("files: %s", (line) => {
    expect(completionAfter(line)).toEqual({ kind: "files" });
  });

  test.each([
    ["run arm -- ", 3],
    ["run arm --wait 1s -- sh -", 5],
    ["--json run -- -arm -- ls -", 5],
  ])("another command line: %s", (line, start) => {
    expect(completionAfter(line)).toEqual({ kind: "command", start });
  });

  test.each([
    ["-r here.json show ", "here.json"],
    ["-rhere.json show ", "here.json"],
    ["show --registry-path=here.json ", "here.json"],
    ["show ", undefined],
  ])("names come from the registry that the line names: %s", (line, expected) => {
    let asked: string | undefined = "nothing";
    complete(program, line.split(" "), (registryPath) => {
      asked = registryPath;
      return [];
    });
    expect(asked).toBe(expected);
  });
});

describe("a line of bash", () => {
  test.each([
    ["namehold show two\\ w", ["namehold", "show", "two w"]],
    [`namehold show "two w`, ["namehold", "show", "two w"]],
    [`namehold show 'it'\\''s' `, ["namehold", "show", "it's", ""]],
    [`namehold "a\\"\\x" ''`, ["namehold", 'a"\\x', ""]],
  ])("is divided as bash does: %s", (line, words) => {
    expect(parseBashLine(line, BREAKS).words).toEqual(words);
  });

  test.each([
    ["is quoted", "show a", "a b$`c", "a\\ b\\$\\`c"],
    ["keeps what readline keeps", "show lab:a", "lab:arm", "arm"],
    ["keeps nothing where a colon divides nothing", "show 'lab:a", "lab:arm", "lab:arm"],
    ["is written for double quotes", 'show "pri', 'price$"`\\', 'price\\$\\"\\`\\\\'],
    ["is not offered where double quotes would expand it", 'show "wow', "wow!", null],
    ["is not offered in single quotes that it would end", "show 'it", "it's", null],
    ["is not offered behind a closed quote", "show 'two 'w", "two words", null],
    ["does not fit", "show b", "arm", null],
  ])("a candidate %s", (_what, line, candidate, expected) => {
    expect(bashReply(candidate, parseBashLine(line, BREAKS))).toBe(expected);
  });

  test("names files behind a redirection", () => {
    expect(reply("bash", BREAKS, "namehold list > ")).toEqual(["files"]);
  });
});

test("PowerShell gets ASCII, quoted as it quotes", () => {
  const answer = replyTo("powershell", [JSON.stringify(["namehold", "show", "'"])], (words) =>
    complete(program, words, () =>
      ["Ärm", "it’s", "two words", "arm"].map((value) => ({ value, description: "node" })),
    ),
  );
  expect(answer).toMatch(/^[\x20-\x7e]+$/);
  expect(JSON.parse(answer)).toEqual({
    kind: "words",
    candidates: [
      { text: "'Ärm'", shown: "Ärm", tip: "node" },
      { text: "'it’’s'", shown: "it’s", tip: "node" },
      { text: "'two words'", shown: "two words", tip: "node" },
      { text: "arm", shown: "arm", tip: "node" },
    ],
  });
});

describe.concurrent("namehold completion", () => {
  test("without a shell names the four", async ({ lab }) => {
    expect(await lab.run("completion")).toEqual({
      status: FAILURES["invalid-input"].exitStatus,
      signal: null,
      stdout: "",
      stderr: "namehold: Name the shell: bash, zsh, fish, powershell. See namehold completion --help.\n",
    });
  });

  test.for(SHELLS)("%s prints a script", async (shell, { lab }) => {
    const { status, stdout, stderr } = await lab.run("completion", shell);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toContain(`complete-words ${shell}`);
  });
});

describe.concurrent("the names of a registry", () => {
  test("are read without a trace, those that no line can show left out", async ({ lab }) => {
    mkdirSync(dirname(lab.path));
    const entries = { "line\nbreak": {}, "": {}, arm: { component_type: "node" }, "esc\u001b": {}, "two words": null };
    writeFileSync(lab.path, JSON.stringify({ entries }));
    const { stdout, stderr, status } = await lab.run("complete-words", "zsh", "--", "namehold", "show", "");
    expect({ stdout, stderr, status }).toEqual({ stdout: "words\narm\tnode\ntwo words\t\n", stderr: "", status: 0 });
    expect(readdirSync(dirname(lab.path))).toEqual(["registry.json"]);
  });

  test.for([
    ["is missing", null],
    ["is torn", '{"entries": {"arm'],
    ["is empty", ""],
    ["is null", "null"],
  ] as const)("are silence when it %s", async ([_what, text], { lab }) => {
    if (text !== null) {
      mkdirSync(dirname(lab.path));
      writeFileSync(lab.path, text);
    }
    const before = readdirSync(lab.directory, { recursive: true });
    const { stdout, stderr, status } = await lab.run("complete-words", "fish", "--", "namehold", "show", "");
    expect({ stdout, stderr, status }).toEqual({ stdout: "", stderr: "", status: 0 });
    expect(readdirSync(lab.directory, { recursive: true })).toEqual(before);
  });
});

function completionAfter(line: string) {
  return complete(program, line.split(" "), () => NAMES.map((value) => ({ value, description: "" })));
}

function valuesAfter(line: string): readonly string[] {
  const completion = completionAfter(line);
  if (completion.kind !== "words") throw new Error(`${completion.kind}, not words`);
  return completion.candidates.map(({ value }) => value);
}

function reply(...[shell, ...args]: readonly [(typeof SHELLS)[number], ...string[]]): readonly string[] {
  return replyTo(shell, args, (words) => complete(program, words, () => [])).split("\n");
}
