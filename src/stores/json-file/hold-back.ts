import type { RegistryLock } from "../../core/entry.js";
import { lockTtlMs, RECOVERY_INSTANCE } from "../../core/lock-rules.js";
import { editEntry } from "../../core/text/entry-text.js";
import { later, type WallMs } from "../../core/timing.js";
import { lookFor } from "./presence-look.js";
import { readableLock } from "./readable-lock.js";
import type { Work } from "./work.js";

/** The reference's own TTL: by then, a Python holder whose lock was swallowed has lost it by its own rules. */
const HELD_BACK_MS = 30_000;

/**
 * After damage, a Python process may hold a name whose lock nobody can read any more. Names that only the copy tells of
 * are held back for one TTL, by a lock of nobody's that Python respects too; those of living namehold holders stay theirs.
 * A holder whose lock the copy does not tell of has been told of its loss by then.
 *
 * @param names the names whose entries come from the copy
 * @see docs/SPEC.md#G7
 */
export function holdBack(work: Work, names: readonly string[], holdersDirectory: string): void {
  const { document, sidecar, reading } = work;
  for (const name of names) {
    const text = document.entryText(name) ?? "";
    const lock = readableLock(text);
    const presence = lock === null ? "none" : lookFor(work, holdersDirectory, lock.holderInstance).kind;
    if (presence !== "none" && presence !== "dead") continue;
    const noted = sidecar.locks.get(name)?.lock;
    const ttlMs = Math.max(HELD_BACK_MS, noted === undefined ? 0 : lockTtlMs(noted));
    document.setEntry(name, editEntry(text, { lock: nobodysLock(reading.wall, ttlMs) }));
  }
}

function nobodysLock(now: WallMs, ttlMs: number): RegistryLock {
  return {
    holderPid: 0,
    holderHost: "unknown (its lock was lost in damage)",
    holderInstance: RECOVERY_INSTANCE,
    acquiredAt: now,
    heartbeatAt: now,
    expiresAt: later(now, ttlMs),
  };
}
