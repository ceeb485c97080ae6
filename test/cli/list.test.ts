import { writeFileSync } from "node:fs";
import { expect } from "vitest";
import { displayWidth } from "../../src/cli/display-width.js";
import { shellWord } from "../../src/core/shell-word.js";
import { type Lab, MAIN, test } from "./cli-process.js";
import { startOnTerminal, startShellOnTerminal } from "./terminal.js";

const ID = /[0-9A-HJKMNP-TV-Z]{26}/;
const NAMES = [
  "liquidhandler_1",
  "a_name_that_is_much_longer_than_any_terminal_is_wide_as_somebody_will_choose",
  "移液机器人",
];

async function furnish(lab: Lab): Promise<void> {
  const entry = (index: number) => ({ id: `01JQ00000000000000000000${10 + index}`, component_type: "node" });
  const entries = Object.fromEntries(NAMES.map((name, index) => [name, entry(index)]));
  writeFileSync(`${lab.directory}/names.json`, JSON.stringify({ entries }));
  await lab.run("import", "--force", "names.json");
}

test("list fits a terminal of 40 columns, and shows the status there", async ({ lab }) => {
  await furnish(lab);
  const list = startOnTerminal(lab, 40, "list");
  await list.ended;
  const lines = list.shown.trimEnd().split("\n");
  expect(Math.max(...lines.map(displayWidth))).toBe(40);
  expect(lines[1]).toMatch(/^│ Name +│ Status +│$/);
  expect(lines.at(-1)).toBe("Hidden: ID, Type, Holder, Last seen");
});

test.for([60, 80])("list fits a terminal of %i columns, with whole IDs and the status", async (columns, { lab }) => {
  await furnish(lab);
  const list = startOnTerminal(lab, columns, "list");
  expect(await list.ended).toMatchObject({ status: 0 });
  const lines = list.shown.trimEnd().split("\n");
  expect(Math.max(...lines.map(displayWidth))).toBeLessThanOrEqual(columns);
  const rows = lines.filter((line) => ID.test(line));
  expect(rows).toHaveLength(NAMES.length);
  expect(new Set(lines.slice(0, -1).map(displayWidth))).toEqual(new Set([columns]));
  expect(rows[1]).toMatch(/^│ a_na[a-z_]*… │/);
  for (const row of rows) expect(row).toContain("│ free ");
  expect(lines.at(-1)).toBe(columns === 60 ? "Hidden: Type, Holder, Last seen" : "Hidden: Last seen");
});

test("list is as narrow as COLUMNS says, on a terminal", async ({ lab }) => {
  await furnish(lab);
  const list = startShellOnTerminal(
    lab,
    120,
    `env COLUMNS=40 ${[process.execPath, MAIN, "list"].map(shellWord).join(" ")}`,
  );
  await list.ended;
  expect(Math.max(...list.shown.split("\n").map(displayWidth))).toBe(40);
});

test("list shortens nothing where there is no terminal, whatever COLUMNS says", async ({ lab }) => {
  await furnish(lab);
  const { stdout } = await lab.startWith({ COLUMNS: "20" }, "list").ended;
  for (const name of NAMES) expect(stdout).toContain(`│ ${name} `);
  expect(stdout).not.toContain("…");
});
