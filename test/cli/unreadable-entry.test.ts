import { readFileSync, writeFileSync } from "node:fs";
import { expect } from "vitest";
import { FAILURES } from "../../src/core/errors.js";
import { type Lab, test } from "./cli-process.js";

const DAMAGED = FAILURES.damaged.exitStatus;

/** Three names, two of which have become of a type that there is not. */
async function spoilt(lab: Lab): Promise<string> {
  for (const name of ["arm", "fine", "stage"]) await lab.run("run", name, "--", "true");
  const registry = JSON.parse(readFileSync(lab.path, "utf8")) as { entries: Record<string, object> };
  for (const name of ["arm", "stage"]) Object.assign(registry.entries[name] as object, { component_type: "robot" });
  writeFileSync(lab.path, JSON.stringify(registry));
  return (registry.entries["fine"] as { id: string }).id;
}

test("list shows the others, tells which names cannot be read, where and what to do, and fails [G11]", async ({
  lab,
}) => {
  const id = await spoilt(lab);
  const text = await lab.run("list");
  expect(text.status).toBe(DAMAGED);
  expect(text.stdout).toMatch(new RegExp(`│ fine +│ ${id} │ node +│ free`));
  expect(text.stdout).toMatch(/│ arm +│ +│ +│ unreadable │/);
  expect(text.stdout).toMatch(/│ stage +│ +│ +│ unreadable │/);
  expect(text.stderr).toBe(
    `namehold: "arm" in ${lab.path} cannot be read: the entry's component_type is none of node, module, manager, experiment, workcell. Nor can "stage". Other names are not touched by this. See 'namehold doctor'.\n`,
  );
  const json = await lab.run("list", "--json");
  expect(json.status).toBe(DAMAGED);
  expect(JSON.parse(json.stdout)).toEqual([
    expect.objectContaining({ name: "fine", id, status: "free" }),
    { name: "arm", id: null, status: "unreadable" },
    { name: "stage", id: null, status: "unreadable" },
  ]);
  expect(JSON.parse(json.stderr)).toMatchObject({ error: { code: "damaged", name: "arm" } });
});

test("show and run tell the name, the file and what to do of an entry that cannot be read [G11]", async ({ lab }) => {
  await spoilt(lab);
  for (const args of [
    ["show", "stage"],
    ["run", "stage", "--", "true"],
  ]) {
    const { status, stderr } = await lab.run(...args);
    expect(stderr).toContain(`"stage" in ${lab.path} cannot be read`);
    expect(stderr).toContain("namehold doctor");
    expect(status).toBe(DAMAGED);
  }
  expect((await lab.run("run", "fine", "--", "true")).status).toBe(0);
});

test("recover does not say that nothing is damaged while an entry cannot be read [G11]", async ({ lab }) => {
  await spoilt(lab);
  for (const args of [["recover"], ["recover", "--accept"], ["recover", "--json"]]) {
    const { status, stdout, stderr } = await lab.run(...args);
    expect(stdout).toBe("");
    expect(stderr).toContain("cannot be read");
    expect(status).toBe(DAMAGED);
  }
});
