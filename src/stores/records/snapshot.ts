/** From rows to the records of the contract. */
import type { RegistryEntry, RegistryLock } from "../../core/entry.js";
import { judgeLock, type LockState } from "../../core/lock-rules.js";
import type { EntryRecord, Evidence, FormerLock, HolderRecord, Snapshot } from "../../core/record.js";
import { editEntry, readEntry } from "../../core/text/entry-text.js";
import { later, type WallMs } from "../../core/timing.js";
import type { Reading } from "./reading.js";
import { type EntryRow, holderVersion, type LockRow, type Looked, lastRefresh, versionOf } from "./rows.js";

export interface SnapshotContext {
  readonly reading: Reading;
  /** Whether the kernel proves that the holder's process is gone. */
  readonly isDead: (instance: string) => boolean;
  /** What speaks for a lock's holder, where the engine ends locks by itself and no reading of a clock tells. */
  readonly evidenceOf?: (lock: LockRow) => Evidence;
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
  const lock = row.lock;
  const record = {
    name: row.name,
    version: versionOf(row),
    entry: entryFrom(row, context.reading),
    token: lock?.token ?? null,
    revocation: lock?.revocation ?? null,
    holder: lock === null ? null : holderFrom(lock, context),
  };
  Object.defineProperty(record, BEHIND, { value: new BehindRecord(row, queue, context) });
  Object.defineProperty(record, "source", RECORD_MEMBERS.source);
  Object.defineProperty(record, "waiters", RECORD_MEMBERS.waiters);
  return record as unknown as EntryRecord;
}

function entryFrom(row: EntryRow, { wall }: Reading): RegistryEntry {
  const { id, componentType, lock } = row;
  const entry = { id, componentType, lock: lock === null ? null : lockFrom(lock) };
  Object.defineProperty(entry, BEHIND, { value: new BehindEntry(row, wall) });
  Object.defineProperty(entry, "createdAt", ENTRY_MEMBERS.createdAt);
  Object.defineProperty(entry, "lastSeen", ENTRY_MEMBERS.lastSeen);
  Object.defineProperty(entry, "metadata", ENTRY_MEMBERS.metadata);
  Object.defineProperty(entry, "workcellId", ENTRY_MEMBERS.workcellId);
  return entry as unknown as RegistryEntry;
}

/** What the members that are made when they are asked for are made from. */
const BEHIND = Symbol("behind");

class BehindRecord {
  readonly #row: EntryRow;
  readonly #queue: Looked["queue"];
  readonly #context: SnapshotContext;
  #source: string | undefined;
  #waiters: EntryRecord["waiters"] | undefined;

  constructor(row: EntryRow, queue: Looked["queue"], context: SnapshotContext) {
    this.#row = row;
    this.#queue = queue;
    this.#context = context;
  }

  get source(): string {
    const { source, lastSeen } = this.#row;
    this.#source ??= lastSeen === null ? source : editEntry(source, { lastSeen });
    return this.#source;
  }

  get waiters(): EntryRecord["waiters"] {
    this.#waiters ??= waitersFrom(this.#queue, this.#context);
    return this.#waiters;
  }
}

class BehindEntry {
  readonly #row: EntryRow;
  readonly #wall: WallMs;
  #text: RegistryEntry | undefined;

  constructor(row: EntryRow, wall: WallMs) {
    this.#row = row;
    this.#wall = wall;
  }

  get createdAt(): WallMs {
    return this.#read().createdAt;
  }

  get lastSeen(): WallMs {
    return this.#row.lastSeen ?? this.#read().lastSeen;
  }

  get metadata(): RegistryEntry["metadata"] {
    return this.#read().metadata;
  }

  get workcellId(): string | null {
    return this.#read().workcellId;
  }

  #read(): RegistryEntry {
    this.#text ??= readEntry(this.#row.source, this.#wall);
    return this.#text;
  }
}

/** One function for all objects: getters of their own would cost each claim several microseconds. */
function madeWhenAsked(member: keyof BehindRecord | keyof BehindEntry): PropertyDescriptor {
  return {
    enumerable: true,
    get(this: { readonly [BEHIND]: Readonly<Record<typeof member, unknown>> }) {
      return this[BEHIND][member];
    },
  };
}

const RECORD_MEMBERS = { source: madeWhenAsked("source"), waiters: madeWhenAsked("waiters") };

const ENTRY_MEMBERS = {
  createdAt: madeWhenAsked("createdAt"),
  lastSeen: madeWhenAsked("lastSeen"),
  metadata: madeWhenAsked("metadata"),
  workcellId: madeWhenAsked("workcellId"),
};

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
function evidenceFrom(lock: LockRow, { reading, isDead, evidenceOf }: SnapshotContext): Evidence {
  if (evidenceOf !== undefined) return evidenceOf(lock);
  if (lock.pulse === null || isDead(lock.instance)) return { kind: "dead" };
  const { clock } = lock.pulse;
  // Another boot's clock, or another time namespace's: whoever looks measures the silence himself.
  if (clock === "" || clock !== reading.clock) return { kind: "written", clockTrusted: false };
  return { kind: "beat", ageMs: Math.max(0, reading.monotonic - lastRefresh(lock).at), ttlMs: lock.ttlMs };
}
