import { mkdirSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import type { RegistryLock } from "../../../src/core/entry.js";
import { readLockOf, writeEntry } from "../../../src/core/text/entry-text.js";
import { RegistryDocument } from "../../../src/core/text/registry-document.js";
import { later, monotonicMs, wallMs } from "../../../src/core/timing.js";
import { Presence } from "../../../src/platform/presence.js";
import { holdBack } from "../../../src/stores/json-file/hold-back.js";
import { Sidecar } from "../../../src/stores/json-file/sidecar.js";
import type { Work } from "../../../src/stores/json-file/work.js";
import { LabFiles } from "./lab-files.js";

const NOW = wallMs(1_800_000_000_000);
const BOOT_NOW = monotonicMs(1_000_000);

describe("after damage, a name of which only the copy tells", () => {
  it("gets a lock of nobody's for 30 s, whatever lock it had but a living namehold process's [G7, G8]", () => {
    const { holders } = labWithHolders();
    presence(holders, "01JW0000000000000000000001");
    presence(holders, "01JW0000000000000000000002").close();
    const work = workOn({
      free: null,
      "of a living holder": lock("01JW0000000000000000000001"),
      "of a dead holder": lock("01JW0000000000000000000002"),
      "of Python": lock("01JPYTHQNPYTHQNPYTHQNPYTHQ"),
    });
    holdBack(work, [...work.document.names()], holders);
    expect(holderOf(work, "of a living holder")).toBe("01JW0000000000000000000001");
    for (const name of ["free", "of a dead holder", "of Python"]) {
      expect(lockOf(work, name)).toMatchObject({
        holderPid: 0,
        holderInstance: "namehold-recovery",
        acquiredAt: NOW,
        heartbeatAt: NOW,
        expiresAt: later(NOW, 30_000),
      });
    }
  });

  it("is held back though its lock cannot be read, and other names are left alone [G7, G8]", () => {
    const { holders } = labWithHolders();
    const work = workOn({ odd: lock("01JPYTHQNPYTHQNPYTHQNPYTHQ"), read: lock("01JPYTHQNPYTHQNPYTHQNPYTHQ") });
    const odd = (work.document.entryText("odd") ?? "").replace(/"lock": ?\{[^}]*\}/, '"lock": 7');
    expect(odd).toContain('"lock": 7');
    work.document.setEntry("odd", odd);
    holdBack(work, ["odd"], holders);
    expect([holderOf(work, "odd"), holderOf(work, "read")]).toEqual([
      "namehold-recovery",
      "01JPYTHQNPYTHQNPYTHQNPYTHQ",
    ]);
  });
});

function labWithHolders(): LabFiles {
  const lab = new LabFiles();
  mkdirSync(lab.holders);
  return lab;
}

function presence(holders: string, instance: string): Presence {
  const made = Presence.create(holders, { instance, pid: 1, host: "lab", ttlMs: 30_000 }, { nowMs: BOOT_NOW });
  onTestFinished(() => made.close());
  return made;
}

function workOn(locks: Readonly<Record<string, RegistryLock | null>>): Work {
  const document = RegistryDocument.empty(NOW);
  const rest = { componentType: "node", createdAt: NOW, lastSeen: NOW, metadata: {}, workcellId: null } as const;
  Object.entries(locks).forEach(([name, held], i) => {
    document.setEntry(name, writeEntry({ ...rest, id: `01JQ000000000000000000000${i}`, lock: held }));
  });
  return {
    document,
    sidecar: new Sidecar(),
    reading: { bootId: "this boot", wall: NOW, monotonic: BOOT_NOW },
    isLocal: true,
    obstacle: null,
    identityChanged: false,
    keepBackup: null,
    backupPath: null,
    found: { document, notes: new Map() },
    ended: [],
    beat: null,
    recalled: [],
    afterWrite: [],
  };
}

function lock(holderInstance: string): RegistryLock {
  const at = later(NOW, -60_000);
  return {
    holderPid: 4_711,
    holderHost: "elsewhere",
    holderInstance,
    acquiredAt: at,
    heartbeatAt: at,
    expiresAt: later(at, 30_000),
  };
}

function lockOf({ document }: Work, name: string): RegistryLock | null {
  return readLockOf(document.entryText(name) ?? "");
}

function holderOf(work: Work, name: string): string | undefined {
  return lockOf(work, name)?.holderInstance;
}
