import { describe, expect, it, onTestFinished } from "vitest";
import { JsonFileStore } from "../../../../src/stores/json-file/json-file-store.js";
import type { ChangePart } from "../../../../src/stores/store.js";
import { LabFiles } from "../lab-files.js";
import { PYTHON_INSTANCE, pythonReleases, pythonTakes } from "./python-file.js";

const LONG = { lockTtlMs: 60_000, heartbeatIntervalMs: 20_000 };
const NODE = { type: "node" } as const;

describe("word of what happened to an earlier hold", () => {
  it("is not told of a later one that ends otherwise [G4, G5]", async () => {
    const lab = new LabFiles();
    const [registry, operator] = [await lab.open(LONG), await lab.open(LONG)];
    const earlier = await registry.claim("robot", NODE);
    await operator.revoke("robot", { reason: "yesterday's reason", now: true });
    await earlier.release();
    const later = await registry.claim("robot", NODE);
    pythonTakes(lab, "robot");
    await expect(registry.refresh("robot")).rejects.toMatchObject({ code: "lost" });
    expect(later.loss).toMatchObject({ reason: "taken", by: { instance: PYTHON_INSTANCE } });
  });
});

describe("an offer to a waiter", () => {
  it("ends when Python takes and leaves the name in between: the waiter gets its full turn [G12]", async () => {
    const lab = new LabFiles();
    await (await lab.open()).resolve("robot", NODE);
    const store = new JsonFileStore(lab.path);
    onTestFinished(() => store.close());
    const holder = { instance: "01JW0000000000000000000001", pid: 1, host: "lab", ttlMs: 60_000 };
    const commit = (part: ChangePart) => store.commit({ holder, parts: [part] });
    const offer = { kind: "offer", name: "robot", ticket: "first" } as const;
    const offeredAgeMs = async () => (await store.read("robot")).record?.waiters.map((it) => it.offeredAgeMs);
    await commit({ kind: "enqueue", name: "robot", ticket: "first" });
    await commit(offer);
    expect(await offeredAgeMs()).toEqual([expect.any(Number)]);
    pythonTakes(lab, "robot");
    pythonReleases(lab, "robot");
    // As Python does at each of both, so that the entry is another one than before.
    lab.text = lab.text.replace(/"last_seen": "[^"]*"/, '"last_seen": "2026-03-01T10:00:00.123456Z"');
    expect(await offeredAgeMs()).toEqual([null]);
    await commit(offer);
    expect(await offeredAgeMs()).toEqual([expect.any(Number)]);
  });
});
