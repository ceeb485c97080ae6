import { NameholdError } from "../errors.js";
import type { WallMs } from "../timing.js";
import { editEntry, readEntry } from "./entry-text.js";

/**
 * An entry's text from elsewhere, without its lock and everything else to the letter.
 *
 * @throws NameholdError `invalid-input` when it is no entry
 * @see docs/SPEC.md#G10
 */
export function importedEntry(source: string, now: WallMs): string {
  try {
    readEntry(source, now);
    return editEntry(source, { lock: null });
  } catch (cause) {
    throw new NameholdError("invalid-input", `The text is no entry: ${String(cause)}`, { cause });
  }
}
