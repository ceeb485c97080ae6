import type { RegistryLock } from "../../core/entry.js";
import { RECOVERY_INSTANCE } from "../../core/lock-rules.js";
import { editEntry } from "../../core/text/entry-text.js";
import { later } from "../../core/timing.js";
import { probePresence } from "../../platform/presence-probe.js";
import { readableLock } from "./readable-lock.js";
import type { Work } from "./work.js";

/** The reference's own TTL: by then, a Python holder whose lock was swallowed has lost it by its own rules. */
const HELD_BACK_MS = 30_000;

/**
 * After damage, a Python process may hold a name whose lock nobody can read any more. Names that only the copy tells of
 * are held back for one TTL, by a lock of nobody's that Python respects too; those of living namehold holders stay theirs.
 *
 * @param names the names whose entries come from the copy
 * @see docs/SPEC.md#G7
 */
export function holdBack({ document, reading }: Work, names: readonly string[], holdersDirectory: string): void {
  const now = reading.wall;
  const nobodys: RegistryLock = {
    holderPid: 0,
    holderHost: "unknown (its lock was lost in damage)",
    holderInstance: RECOVERY_INSTANCE,
    acquiredAt: now,
    heartbeatAt: now,
    expiresAt: later(now, HELD_BACK_MS),
  };
  for (const name of names) {
    const text = document.entryText(name) ?? "";
    const instance = readableLock(text)?.holderInstance;
    const presence =
      instance === undefined ? "none" : probePresence(holdersDirectory, instance, reading.monotonic).kind;
    if (presence === "none" || presence === "dead") document.setEntry(name, editEntry(text, { lock: nobodys }));
  }
}
