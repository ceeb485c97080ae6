import { unlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { eventually, isJson, Lab } from "./lab.js";
import type { NameholdNode } from "./namehold.js";
import type { PythonNode } from "./python.js";

// The reference opens its file for writing, which empties it, and then writes. Whatever stops it in between leaves a
// torn file, on which every call of Python fails.

const NAMES = Array.from({ length: 150 }, (_, index) => `name_${index}`);

interface Ready {
  readonly ours: NameholdNode;
  readonly python: PythonNode;
  readonly ids: ReadonlyMap<string, string>;
}

/** A registry of many names, of which we hold one. */
async function ready(lab: Lab): Promise<Ready> {
  const [ours, python] = await Promise.all([lab.namehold({ lockTtlMs: 6000, heartbeatIntervalMs: 300 }), lab.python()]);
  const ids = new Map<string, string>();
  for (const name of NAMES) ids.set(name, await python.resolve(name, { acquire: false }));
  ids.set("held", (await ours.claim("held")).id);
  return { ours, python, ids };
}

/** Kills writing Pythons until one has left a torn file. Ours must not be quicker to mend it than we look. */
async function tearByKill(lab: Lab, ours: NameholdNode): Promise<string> {
  ours.process.signal("SIGSTOP");
  for (let attempt = 0; attempt < 40; attempt += 1) {
    const writer = await lab.python();
    await writer.writeForever("name_0");
    await sleep(20 + attempt);
    await writer.kill();
    if (!isJson(lab.text())) {
      ours.process.signal("SIGCONT");
      return lab.text();
    }
  }
  throw new Error("forty kills did not tear the file: this test proves nothing here");
}

const TEARS: readonly { readonly how: string; readonly tear: (lab: Lab, node: Ready) => Promise<unknown> }[] = [
  { how: "kill -9 in mid-write", tear: (lab, { ours }) => tearByKill(lab, ours) },
  {
    how: "metadata that cannot be serialised",
    tear: (_lab, { python }) =>
      expect(python.resolveUnserialisable("name_0")).rejects.toMatchObject({ type: "PydanticSerializationError" }),
  },
  {
    how: "a full disk",
    async tear(_lab, { python }) {
      await python.fillDisk(8192);
      await expect(python.resolve("name_0", { acquire: false })).rejects.toMatchObject({ type: "OSError" });
    },
  },
];

describe.concurrent.each(TEARS)("after Python tore the file by $how", ({ tear }) => {
  test("known names go on with their ids, new ones are refused, and Python can read again [G1, G8]", async () => {
    await using lab = new Lab();
    const node = await ready(lab);
    const { ours, ids } = node;
    await tear(lab, node);

    const fresh = await lab.namehold();
    await expect(fresh.claim("unheard_of")).rejects.toMatchObject({ code: "damaged" });
    // A lock that some Python took before the tear may have been in the part that is lost.
    const claim = await fresh.claim("name_149", { waitMs: 45_000 });
    expect(claim.id).toBe(ids.get("name_149"));
    await fresh.release("name_149");
    expect(await ours.claimState("held")).toMatchObject({ held: true, aborted: false });
    await expect(fresh.claim("held")).rejects.toMatchObject({ code: "held" });
    await expect(fresh.claim("unheard_of")).rejects.toMatchObject({ code: "damaged" });
    for (const [name, id] of ids) expect(await fresh.lookup(name)).toBe(id);

    const python = await lab.python();
    for (const name of ["name_0", "name_75", "name_149"]) {
      expect(await python.resolve(name, { acquire: false })).toBe(ids.get(name));
    }
    expect(await python.lookup("held")).toBe(ids.get("held"));
  });
});

describe("after the file was deleted and Python has begun a new one, with a new id for a name of ours", () => {
  const pythonTtl = { ttlSeconds: 30, intervalSeconds: 0.3 };

  test("the name is still Python's: we do not take it, and our id for it stands [G1, G7]", async () => {
    await using lab = new Lab();
    const [python, ours] = await Promise.all([lab.python(pythonTtl), lab.namehold()]);
    const { id } = await ours.claim("arm_1");
    await ours.release("arm_1");
    unlinkSync(lab.path);
    await python.resolve("arm_1");
    await expect(ours.claim("arm_1")).rejects.toMatchObject({ code: "held", details: { heldBy: { pid: python.pid } } });
    await sleep(1000);
    expect(await lab.entry("arm_1")).toMatchObject({ id, lock: { holder_instance: python.instance } });
    expect((await python.heartbeats()).failures).toEqual([]);
  });

  test("what we held of it is lost to Python, and we are told [G1, G2, G4]", async () => {
    await using lab = new Lab();
    const [python, ours] = await Promise.all([
      lab.python(pythonTtl),
      lab.namehold({ lockTtlMs: 3000, heartbeatIntervalMs: 1000 }),
    ]);
    const { id } = await ours.claim("arm_1");
    unlinkSync(lab.path);
    await python.resolve("arm_1");
    await eventually(3000, async () => !(await ours.claimState("arm_1")).held);
    expect(await ours.claimState("arm_1")).toMatchObject({ aborted: true, code: "lost", lostEvents: 1 });
    await sleep(1000);
    expect(await lab.entry("arm_1")).toMatchObject({ id, lock: { holder_instance: python.instance } });
    expect((await python.heartbeats()).failures).toEqual([]);
  });
});
