import type { RegistryLock } from "../../core/entry.js";
import { EntryDamage, readLockOf } from "../../core/text/entry-text.js";

/**
 * The lock on an entry, for those who go through many: a lock that cannot be read is nobody's for them. Whoever asks for
 * that very entry is told what is wrong with it.
 */
export function readableLock(entryText: string | undefined): RegistryLock | null {
  try {
    return entryText === undefined ? null : readLockOf(entryText);
  } catch (error) {
    if (!(error instanceof EntryDamage)) throw error;
    return null;
  }
}
