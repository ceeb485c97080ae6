import { describe, expect, it } from "vitest";
import { LabFiles } from "../lab-files.js";
import { NodeProcess } from "../processes/node-process.js";
import { pythonReleases, pythonTakes } from "./python-file.js";

const NODE = { type: "node" } as const;
const LONG = { lockTtlMs: 60_000, heartbeatIntervalMs: 20_000 };

describe("two names that somebody has given one ID", () => {
  it("are not held at the same time: the second is refused, with who holds the first [G2, G11]", async () => {
    const { lab, id } = await withSharedId();
    const registry = await lab.open(LONG);
    const claim = await registry.claim("a", NODE);
    await expect((await lab.open(LONG)).claim("b", NODE)).rejects.toMatchObject({
      code: "held",
      details: { name: "b", heldBy: { pid: process.pid } },
      message: expect.stringMatching(new RegExp(`"b".*${id}.*"a".*PID ${process.pid}.*namehold doctor`)),
    });
    await expect(registry.claim("b", NODE)).rejects.toMatchObject({ code: "held" });
    await expect(registry.claim("b", { ...NODE, waitMs: 30_000 })).rejects.toMatchObject({ code: "held" });
    expect(lab.entry("b")?.lock).toBeNull();
    await claim.release();
    await registry.claim("b", NODE);
  });

  it("are refused to one who wants both at once, but for one of them [G2]", async () => {
    const { lab } = await withSharedId();
    const registry = await lab.open(LONG);
    const names = ["a", "b", ...Array.from({ length: 40 }, (_, i) => `other ${i}`)];
    const answers = await Promise.allSettled(names.map((name) => registry.claim(name, NODE)));
    expect(answers.map(({ status }) => status).filter((status) => status === "rejected")).toHaveLength(1);
    expect(answers.slice(0, 2).map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
  });

  it("are not held beside a Python process that holds the other [G2, G7]", async () => {
    const { lab } = await withSharedId();
    const registry = await lab.open(LONG);
    pythonTakes(lab, "a");
    await expect(registry.claim("b", NODE)).rejects.toMatchObject({ code: "held", details: { heldBy: { pid: 4711 } } });
    pythonReleases(lab, "a");
    await registry.claim("b", NODE);
  });

  it("are each free when the holder of the other is dead [G2, G6]", async () => {
    const { lab } = await withSharedId();
    const holder = await NodeProcess.over(lab.path, LONG);
    await holder.call("claim", "a");
    const registry = await lab.open(LONG);
    await expect(registry.claim("b", NODE)).rejects.toMatchObject({ code: "held" });
    await holder.kill();
    await registry.claim("b", NODE);
  });
});

async function withSharedId(): Promise<{ readonly lab: LabFiles; readonly id: string }> {
  const lab = new LabFiles();
  const registry = await lab.open();
  const id = await registry.resolve("a", NODE);
  const other = await registry.resolve("b", NODE);
  lab.text = lab.text.replaceAll(other, id);
  return { lab, id };
}
