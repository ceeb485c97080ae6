import { readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { keepLeft, type LeftBeside, readLeft } from "../../../src/stores/json-file/left-file.js";
import { LabFiles, temporaryDirectory } from "./lab-files.js";
import { NODE } from "./regressions/registry-on-clock.js";

const BESIDE: LeftBeside = { bootId: "this boot", copyMark: "this copy" };
const TEXT = Buffer.from('{"entries": {"Übergabe": 1}}');

describe("what a turn has left", () => {
  it("is read as it was kept, over a longer one too", () => {
    const path = join(temporaryDirectory(), "left.json");
    for (const text of [Buffer.alloc(10_000, "x"), TEXT]) {
      keep(path, text);
      expect(readLeft(path, BESIDE)?.equals(text)).toBe(true);
    }
  });

  it.each<readonly [string, LeftBeside]>([
    ["another start of the machine", { ...BESIDE, bootId: "an earlier boot" }],
    ["a machine that does not tell its starts apart", { ...BESIDE, bootId: "" }],
    ["another copy", { ...BESIDE, copyMark: "a later copy" }],
  ])("is nothing for %s [G8]", (_, beside) => {
    const path = join(temporaryDirectory(), "left.json");
    keepLeft(path, TEXT, beside, () => undefined);
    expect(readLeft(path, BESIDE)).toBeUndefined();
    if (beside.bootId === "") expect(readLeft(path, beside)).toBeUndefined();
  });

  it("is nothing when a writer was killed at any byte of it [G8]", () => {
    const path = join(temporaryDirectory(), "left.json");
    keep(path, Buffer.from('{"entries": {"an older": 1}}'));
    const before = readFileSync(path);
    keep(path, TEXT);
    const after = readFileSync(path);
    expect(after.length).toBe(before.length);
    const lastNew = after.findLastIndex((byte, i) => byte !== before[i]);
    const firstNew = after.findIndex((byte, i) => byte !== before[i]);
    for (let bytes = firstNew + 1; bytes <= lastNew; bytes += 1) {
      writeFileSync(path, Buffer.concat([after.subarray(0, bytes), before.subarray(bytes)]));
      expect(readLeft(path, BESIDE)).toBeUndefined();
    }
    for (const bytes of [0, 100, 256, 260]) {
      truncateSync(path, bytes);
      expect(readLeft(path, BESIDE)).toBeUndefined();
    }
  });

  it("has its room before the registry is written, and is not kept when that fails [G1]", () => {
    const path = join(temporaryDirectory(), "left.json");
    const fail = (): never => {
      expect(statSync(path).size).toBeGreaterThan(TEXT.length);
      throw new Error("disk full");
    };
    expect(() => keepLeft(path, TEXT, BESIDE, fail)).toThrow("disk full");
    expect(readLeft(path, BESIDE)).toBeUndefined();
  });

  it("is not written where a link points", () => {
    const directory = temporaryDirectory();
    const target = join(directory, "somebody's");
    writeFileSync(target, "");
    symlinkSync(target, join(directory, "left.json"));
    let isWritten = false;
    const keepOnLink = (): void =>
      keepLeft(join(directory, "left.json"), TEXT, BESIDE, () => {
        isWritten = true;
      });
    expect(keepOnLink).toThrow("Cannot write");
    expect([isWritten, readFileSync(target, "utf8")]).toEqual([false, ""]);
  });
});

describe("a lock that comes or goes", () => {
  it("leaves the last good copy as it is, and its holder keeps it when the file is torn then [G7, G8]", async () => {
    const lab = new LabFiles();
    const holder = await lab.open();
    await holder.resolve("a", NODE);
    await holder.resolve("b", NODE);
    const copied = readFileSync(lab.copyPath);
    const claim = await holder.claim("a", NODE);
    await (await holder.claim("b", NODE)).release();
    expect(readFileSync(lab.copyPath).equals(copied)).toBe(true);
    lab.text = lab.text.slice(0, lab.text.indexOf('"a"'));
    const other = await lab.open();
    await expect(other.claim("a", NODE)).rejects.toMatchObject({
      code: "held",
      details: { heldBy: { pid: process.pid } },
    });
    expect(claim.held).toBe(true);
    expect(await claim.release()).toBe(true);
  });

  it("goes into the copy where it can be kept nowhere else [G8]", async () => {
    const lab = new LabFiles();
    const registry = await lab.open();
    await registry.resolve("a", NODE);
    symlinkSync(lab.path, lab.leftPath);
    await registry.claim("a", NODE);
    expect(readFileSync(lab.copyPath, "utf8")).toBe(lab.text);
  });

  it.each(["metadata", "a new name", "a removed name"])("is in the copy together with %s [G1, G8]", async (what) => {
    const lab = new LabFiles();
    const registry = await lab.open();
    for (const name of ["a", "b"]) await registry.resolve(name, NODE);
    await registry.claim("a", NODE);
    if (what === "metadata") await registry.resolve("b", { ...NODE, metadata: { x: 1 } });
    else if (what === "a new name") await registry.resolve("c", NODE);
    else await registry.rename("b", "c");
    expect(readFileSync(lab.copyPath, "utf8")).toBe(lab.text);
  });
});

function keep(path: string, text: Buffer): void {
  keepLeft(path, text, BESIDE, () => undefined);
}
