import type { RegistryLock } from "../../core/entry.js";
import { EntryDamage, readEntry } from "../../core/text/entry-text.js";
import type { WallMs } from "../../core/timing.js";

/**
 * The lock on an entry, for those who go through many: an entry that cannot be read has none for them, since nobody can
 * do anything about it. Whoever asks for that very entry is told what is wrong with it.
 */
export function readableLock(entryText: string | undefined, now: WallMs): RegistryLock | null {
  try {
    return entryText === undefined ? null : readEntry(entryText, now).lock;
  } catch (error) {
    if (!(error instanceof EntryDamage)) throw error;
    return null;
  }
}
