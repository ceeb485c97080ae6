import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { LabFiles, temporaryDirectory } from "../lab-files.js";

const NODE = { type: "node" } as const;
const SECRET = "root:x:0:0\n";

describe("a symbolic link that somebody has put", () => {
  it.each(["state.json", "last-good.json", "token-ceiling"])(
    "in place of %s is replaced, and the file that it points to is untouched [G8, G11]",
    async (file) => {
      const lab = new LabFiles();
      const registry = await lab.open();
      const id = await registry.resolve("a", NODE);
      const victim = join(temporaryDirectory(), "victim");
      writeFileSync(victim, SECRET);
      rmSync(join(lab.holders, file), { force: true });
      symlinkSync(victim, join(lab.holders, file));
      await registry.claim("a", NODE);
      await registry.resolve("b", NODE);
      expect(readFileSync(victim, "utf8")).toBe(SECRET);
      expect(lstatSync(join(lab.holders, file)).isFile()).toBe(true);
      expect(await registry.lookup("a")).toBe(id);
    },
  );

  it("in place of the directory beside the registry makes it refuse to write, and nothing appears where it points [G11]", async () => {
    const lab = new LabFiles();
    const victim = temporaryDirectory();
    symlinkSync(victim, lab.holders);
    const registry = await lab.open();
    for (const attempt of [() => registry.resolve("a", NODE), () => registry.claim("a", NODE)]) {
      await expect(attempt()).rejects.toMatchObject({
        code: "storage-failed",
        message: expect.stringContaining("link"),
      });
    }
    expect(readdirSync(victim)).toEqual([]);
    expect(existsSync(lab.path)).toBe(false);
    rmSync(lab.holders);
    await registry.resolve("a", NODE);
  });

  it("in place of the directory of backups makes a rename fail, and nothing appears where it points [G1, G11]", async () => {
    const lab = new LabFiles();
    const registry = await lab.open();
    const id = await registry.resolve("a", NODE);
    const victim = temporaryDirectory();
    symlinkSync(victim, join(lab.holders, "backups"));
    await expect(registry.rename("a", "b")).rejects.toMatchObject({ code: "storage-failed" });
    expect(readdirSync(victim)).toEqual([]);
    expect([await registry.lookup("a"), await registry.lookup("b")]).toEqual([id, null]);
  });
});

describe("the evidence of damage", () => {
  it("is kept once, however often the same damage is seen [G8, G12]", async () => {
    const lab = new LabFiles();
    const registry = await lab.open();
    await registry.resolve("a", NODE);
    for (let seen = 0; seen < 20; seen += 1) {
      writeFileSync(lab.path, "torn");
      await registry.lookup("a");
    }
    const evidence = readdirSync(lab.holders).filter((name) => name.startsWith("damaged-"));
    expect(evidence).toHaveLength(1);
    const { evidencePath } = (await registry.recovery?.inspect()) ?? {};
    expect(evidencePath).toBe(join(lab.holders, evidence[0] ?? ""));
    expect(readFileSync(evidencePath ?? "", "utf8")).toBe("torn");
  });
});

describe("a lab whose whole directory is moved away while it is used", () => {
  it.each([
    ["with nothing in its place", () => undefined],
    ["with an empty directory in its place, as of a mount", (directory: string) => mkdirSync(directory)],
  ])("%s is unreachable, and no new registry [G1, G8, G11]", async (_, instead) => {
    const lab = new LabFiles(join(temporaryDirectory(), "lab"));
    mkdirSync(lab.directory);
    const registry = await lab.open();
    const { id } = await registry.claim("a", NODE);
    const elsewhere = `${lab.directory} elsewhere`;
    renameSync(lab.directory, elsewhere);
    instead(lab.directory);
    const isThere = existsSync(lab.directory);
    for (const attempt of [
      () => registry.lookup("a"),
      () => registry.resolve("a", NODE),
      () => registry.claim("b", NODE),
      () => registry.refresh("a"),
    ]) {
      await expect(attempt()).rejects.toMatchObject({ code: "unreachable" });
    }
    expect([existsSync(lab.directory), existsSync(lab.path)]).toEqual([isThere, false]);
    rmSync(lab.directory, { recursive: true, force: true });
    renameSync(elsewhere, lab.directory);
    expect(await registry.resolve("a", NODE)).toBe(id);
    await registry.refresh("a");
  });
});
