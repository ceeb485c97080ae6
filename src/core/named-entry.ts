import type { LockState } from "./lock-rules.js";
import type { EntryRecord } from "./record.js";

/** An entry with all that was known about its lock at one moment. */
export interface NamedEntry extends Pick<EntryRecord, "name" | "entry" | "token" | "revocation" | "waiters"> {
  readonly state: LockState;
}
