/** From rows to the records of the contract. */
import type { RegistryEntry, RegistryLock } from "../../core/entry.js";
import { judgeLock, type LockState } from "../../core/lock-rules.js";
import type { EntryRecord, Evidence, FormerLock, HolderRecord, Snapshot } from "../../core/record.js";
import { editEntry, readEntry } from "../../core/text/entry-text.js";
import { later } from "../../core/timing.js";
import type { Reading } from "./reading.js";
import { type EntryRow, holderVersion, type LockRow, type Looked, lastRefresh, versionOf } from "./rows.js";

export interface SnapshotContext {
  readonly reading: Reading;
  /** Whether the kernel proves that the holder's process is gone. */
  readonly isDead: (instance: string) => boolean;
}

export function snapshotFrom({ name, row, former, queue }: Looked, context: SnapshotContext): Snapshot {
  return {
    name,
    record: row === null ? null : recordFrom(row, queue, context),
    former: former === null ? null : formerFrom(former, context),
    now: context.reading.wall,
  };
}

/** The state of a lock, wherever its name has gone. */
export function judgeFormer(lock: LockRow, context: SnapshotContext): LockState {
  return judgeLock({ name: "", record: null, former: formerFrom(lock, context), now: context.reading.wall }, 0);
}

/** The texts, and who waits, are looked into only when somebody asks for what is in them. */
function recordFrom(row: EntryRow, queue: Looked["queue"], context: SnapshotContext): EntryRecord {
  const { reading } = context;
  const lock = row.lock;
  let source: string | undefined;
  let waiters: EntryRecord["waiters"] | undefined;
  return {
    name: row.name,
    version: versionOf(row),
    entry: entryFrom(row, reading),
    get source() {
      source ??= row.lastSeen === null ? row.source : editEntry(row.source, { lastSeen: row.lastSeen });
      return source;
    },
    token: lock?.token ?? null,
    revocation: lock?.revocation ?? null,
    holder: lock === null ? null : holderFrom(lock, context),
    get waiters() {
      waiters ??= waitersFrom(queue, context);
      return waiters;
    },
  };
}

/** Without the dead, which is asked of the kernel: who only gives a name up does not pay for it. */
function waitersFrom(queue: Looked["queue"], { reading, isDead }: SnapshotContext): EntryRecord["waiters"] {
  return queue
    .filter(({ instance }) => !isDead(instance))
    .map(({ ticket, instance, since, offeredAt }) => ({
      ticket,
      instance,
      since,
      offeredAgeMs: offeredAt === null ? null : Math.max(0, reading.monotonic - offeredAt),
    }));
}

function entryFrom(row: EntryRow, { wall }: Reading): RegistryEntry {
  let text: RegistryEntry | undefined;
  const read = (): RegistryEntry => {
    text ??= readEntry(row.source, wall);
    return text;
  };
  return {
    id: row.id,
    componentType: row.componentType,
    get createdAt() {
      return read().createdAt;
    },
    get lastSeen() {
      return row.lastSeen ?? read().lastSeen;
    },
    get metadata() {
      return read().metadata;
    },
    lock: row.lock === null ? null : lockFrom(row.lock),
    get workcellId() {
      return read().workcellId;
    },
  };
}

function lockFrom(lock: LockRow): RegistryLock {
  const heartbeatAt = lastRefresh(lock).wallAt;
  return {
    holderPid: lock.pid,
    holderHost: lock.host,
    holderInstance: lock.instance,
    acquiredAt: lock.acquiredAt,
    heartbeatAt,
    expiresAt: later(heartbeatAt, lock.ttlMs),
  };
}

function formerFrom(lock: LockRow, context: SnapshotContext): FormerLock {
  return { lock: lockFrom(lock), holder: holderFrom(lock, context) };
}

function holderFrom(lock: LockRow, context: SnapshotContext): HolderRecord {
  return { version: holderVersion(lock), evidence: evidenceFrom(lock, context) };
}

/** @see docs/SPEC.md#G6 and #G7 */
function evidenceFrom(lock: LockRow, { reading, isDead }: SnapshotContext): Evidence {
  if (lock.pulse === null || isDead(lock.instance)) return { kind: "dead" };
  const { clock } = lock.pulse;
  // Another boot's clock, or another time namespace's: whoever looks measures the silence himself.
  if (clock === "" || clock !== reading.clock) return { kind: "written", clockTrusted: false };
  return { kind: "beat", ageMs: Math.max(0, reading.monotonic - lastRefresh(lock).at), ttlMs: lock.ttlMs };
}
