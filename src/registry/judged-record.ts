import { judgeLock, type LockState } from "../core/lock-rules.js";
import type { EntryRecord } from "../core/record.js";
import type { ChangePart } from "../stores/store.js";
import type { Observer } from "./observer.js";
import type { Registry } from "./registry.js";

/** An entry as it is, with what is known of its lock. */
export interface JudgedRecord {
  readonly record: EntryRecord;
  readonly state: LockState;
}

/** @param onProgress called after each entry, with how many they are so far */
export async function readAll(
  registry: Registry,
  observer: Observer,
  onProgress: ((entries: number) => void) | undefined,
): Promise<readonly JudgedRecord[]> {
  const rows: JudgedRecord[] = [];
  for await (const snapshot of registry.store.list()) {
    if (snapshot.record === null) continue;
    rows.push({ record: snapshot.record, state: judgeLock(snapshot, observer.watchedMs(snapshot)) });
    onProgress?.(rows.length);
  }
  return rows;
}

type Expected = Pick<ChangePart & { readonly kind: "remove" }, "name" | "expect" | "expectHolder">;

/**
 * As what an entry may be removed, renamed or replaced: as it was judged. A holder that was judged to be gone must not have come
 * back.
 *
 * @see docs/SPEC.md#G7
 */
export function expected({ record, state }: JudgedRecord): Expected {
  const { name, version, holder } = record;
  const judged = state.kind === "free" && holder !== null ? { expectHolder: holder.version } : {};
  return { name, expect: version, ...judged };
}
