import {
  COMPONENT_TYPES,
  type ComponentType,
  type JsonObject,
  type JsonValue,
  type RegistryEntry,
  type RegistryLock,
} from "../entry.js";
import { NameholdError, RegistryError } from "../errors.js";
import { quoteName } from "../name.js";
import type { WallMs } from "../timing.js";
import { formatDatetime, parseDatetime } from "./datetime-text.js";
import { applySplices, layoutOf, type MemberTarget, memberSplices, type Splice } from "./json-edit.js";
import { formatJson } from "./json-format.js";
import { findMember, parseJson, scanObject } from "./json-scan.js";

/** Which entry it is, as far as it is known to whom the error has come. */
interface EntryPlace {
  readonly name?: string;
  readonly location?: string;
  /** Further names whose entries are none, where several were asked for. */
  readonly others?: readonly string[];
}

/** The text of one entry is no entry. Other entries of the registry are not touched by that. */
export class EntryDamage extends RegistryError {
  /** Which member is wrong, as in `lock.holder_pid`; `""` for the entry as a whole. */
  readonly member: string;
  readonly place: EntryPlace;
  readonly #problem: string;

  constructor(member: string, problem: string, place: EntryPlace = {}) {
    const { name } = place;
    super("damaged", messageOf(member, problem, place), name === undefined ? {} : { name });
    this.member = member;
    this.place = place;
    this.#problem = problem;
  }

  /** The same, with what is known here of its place; what was known before stays. */
  withPlace(place: EntryPlace): EntryDamage {
    return new EntryDamage(this.member, this.#problem, { ...place, ...this.place });
  }
}

function messageOf(member: string, problem: string, { name, location, others = [] }: EntryPlace): string {
  const fault = `${member === "" ? "the entry" : `the entry's ${member}`} ${problem}`;
  if (name === undefined) return fault;
  const where = location === undefined ? "" : ` in ${location}`;
  const more = others.length === 0 ? "" : ` Nor can ${others.map(quoteName).join(", ")}.`;
  return `${quoteName(name)}${where} cannot be read: ${fault}.${more} Other names are not touched by this. See 'namehold doctor'.`;
}

/** What a refresh changes in a lock. */
export interface LockTimes {
  readonly heartbeatAt: WallMs;
  readonly expiresAt: WallMs;
}

/** What to change in an entry; what is not named stays to the letter. */
export interface EntryPatch {
  readonly componentType?: ComponentType;
  readonly lastSeen?: WallMs;
  /** Replaces the lock whole, unknown members with it. */
  readonly lock?: RegistryLock | null;
  /** Changes two times of the lock that is there. Not together with `lock`. */
  readonly lockTimes?: LockTimes;
  /** Merged as Python's `dict.update` does: the keys given are set, all others kept. */
  readonly metadata?: JsonObject;
  readonly workcellId?: string | null;
}

/**
 * An entry as pydantic reads it. Unknown members are passed over; missing ones get pydantic's defaults, which for
 * `created_at` and `last_seen` is the time of reading. A lock without `holder_instance` has the instance `""`, which is
 * nobody's.
 *
 * @param now what a missing time reads as.
 * @throws {EntryDamage} `damaged`, naming the member that is missing or wrong.
 * @throws {JsonTextError} `damaged`, when the text is not JSON.
 */
export function readEntry(text: string, now: WallMs): RegistryEntry {
  const entry = parseJson(text);
  if (!isObject(entry)) throw new EntryDamage("", "is not an object");
  const { metadata = {}, lock = null } = entry;
  if (!isObject(metadata)) throw new EntryDamage("metadata", "is not an object");
  return {
    id: readString(entry.id, "id"),
    componentType: readComponentType(entry.component_type),
    createdAt: entry.created_at === undefined ? now : readTime(entry.created_at, "created_at"),
    lastSeen: entry.last_seen === undefined ? now : readTime(entry.last_seen, "last_seen"),
    metadata,
    lock: lock === null ? null : readLock(lock),
    workcellId: (entry.workcell_id ?? null) === null ? null : readString(entry.workcell_id, "workcell_id"),
  };
}

/**
 * The lock of an entry alone, whatever else is odd about it.
 *
 * @throws {EntryDamage} `damaged`, when the lock is none
 */
export function readLockOf(text: string): RegistryLock | null {
  const member = findMember(scanObject(text), "lock");
  const lock = member === undefined ? null : parseJson(text.slice(member.valueStart, member.valueEnd));
  return lock === null ? null : readLock(lock);
}

/**
 * A new entry's text, laid out as Python does inside a registry.
 *
 * @throws {NameholdError} `invalid-input`, naming the path, for metadata that JSON cannot carry.
 */
export function writeEntry(entry: RegistryEntry): string {
  const members = {
    id: entry.id,
    component_type: entry.componentType,
    created_at: formatDatetime(entry.createdAt),
    last_seen: formatDatetime(entry.lastSeen),
    metadata: entry.metadata,
    lock: entry.lock && lockMembers(entry.lock),
    workcell_id: entry.workcellId,
  } satisfies Record<(typeof ENTRY_ORDER)[number], JsonValue>;
  return formatJson(members, ENTRY_INDENT_SPACES);
}

/**
 * The entry's text with the patch applied. Only the values that the patch changes are rewritten; a value that already
 * reads as the patch says keeps its spelling, so a patch that changes nothing returns `text` itself. A missing member
 * is put where the reference has it.
 *
 * @throws {NameholdError} `invalid-input` for metadata that JSON cannot carry, and for lock times without a lock.
 * @throws {EntryDamage} `damaged`, when metadata are to be merged into something that is no object.
 * @see docs/SPEC.md#G10
 */
export function editEntry(text: string, patch: EntryPatch): string {
  const object = scanObject(text);
  const entry: EntryTarget = { text, object, layout: layoutOf(text, object, undefined), order: ENTRY_ORDER, path: "" };
  const changes: Change[] = [];
  const { componentType, lastSeen, workcellId } = patch;
  if (componentType !== undefined && current(entry, "component_type") !== componentType) {
    changes.push(["component_type", componentType]);
  }
  if (lastSeen !== undefined) changes.push(...timeChanges(entry, { last_seen: lastSeen }));
  const metadata = metadataEdits(entry, patch.metadata);
  const lock = lockEdits(entry, patch);
  changes.push(...metadata.changes, ...lock.changes);
  if (workcellId !== undefined && (current(entry, "workcell_id") ?? null) !== workcellId) {
    changes.push(["workcell_id", workcellId]);
  }
  const splices = [...memberSplices(entry, changes), ...metadata.splices, ...lock.splices];
  return splices.length === 0 ? text : applySplices(text, splices);
}

/** Entries stand two levels deep in the file. */
const ENTRY_INDENT_SPACES = 4;
const ENTRY_ORDER = ["id", "component_type", "created_at", "last_seen", "metadata", "lock", "workcell_id"] as const;
const LOCK_ORDER = [
  "holder_pid",
  "holder_host",
  "holder_instance",
  "acquired_at",
  "heartbeat_at",
  "expires_at",
] as const;
const INTEGER_TEXT = /^[+-]?\d+(?:\.0*)?$/;

type Change = readonly [key: string, value: JsonValue];
type EntryTarget = MemberTarget & { readonly text: string };

/** What one part of a patch comes to: members of the entry to set, and splices further inside. */
interface Edits {
  readonly changes: readonly Change[];
  readonly splices: readonly Splice[];
}

const NO_EDITS: Edits = { changes: [], splices: [] };

function metadataEdits(entry: EntryTarget, metadata: JsonObject = {}): Edits {
  const items = Object.entries(metadata);
  if (items.length === 0) return NO_EDITS;
  const target = inside(entry, "metadata", []);
  if (target === "missing") return { changes: [["metadata", metadata]], splices: [] };
  if (target === "not-an-object") throw new EntryDamage("metadata", "is not an object");
  const changes = items.filter(([key, value]) => {
    const old = current(target, key);
    return old === undefined || !sameJson(old, value);
  });
  return { changes: [], splices: memberSplices(target, changes) };
}

function lockEdits(entry: EntryTarget, { lock, lockTimes }: EntryPatch): Edits {
  if (lock !== undefined) {
    if (lockTimes !== undefined) throw new NameholdError("invalid-input", "set a lock or its times, not both");
    if (readsAsLock(current(entry, "lock") ?? null, lock)) return NO_EDITS;
    return { changes: [["lock", lock && lockMembers(lock)]], splices: [] };
  }
  if (lockTimes === undefined) return NO_EDITS;
  const target = inside(entry, "lock", LOCK_ORDER);
  if (typeof target === "string") throw new NameholdError("invalid-input", "the entry has no lock to refresh");
  const times = { heartbeat_at: lockTimes.heartbeatAt, expires_at: lockTimes.expiresAt };
  return { changes: [], splices: memberSplices(target, timeChanges(target, times)) };
}

/** The object that is the value of a member. */
function inside(entry: EntryTarget, key: string, order: readonly string[]): EntryTarget | "missing" | "not-an-object" {
  const member = findMember(entry.object, key);
  if (member === undefined) return "missing";
  const { text } = entry;
  if (text[member.valueStart] !== "{") return "not-an-object";
  const object = scanObject(text, member.valueStart);
  return { text, object, layout: layoutOf(text, object, entry.layout), order, path: key };
}

/** The value of a member as it stands. */
function current({ text, object }: EntryTarget, key: string): JsonValue | undefined {
  const member = findMember(object, key);
  return member && parseJson(text.slice(member.valueStart, member.valueEnd));
}

function timeChanges(target: EntryTarget, times: Readonly<Record<string, WallMs>>): Change[] {
  return Object.entries(times)
    .filter(([key, time]) => timeOf(current(target, key)) !== time)
    .map(([key, time]) => [key, formatDatetime(time)]);
}

function lockMembers(lock: RegistryLock): Record<(typeof LOCK_ORDER)[number], JsonValue> {
  return {
    holder_pid: lock.holderPid,
    holder_host: lock.holderHost,
    holder_instance: lock.holderInstance,
    acquired_at: formatDatetime(lock.acquiredAt),
    heartbeat_at: formatDatetime(lock.heartbeatAt),
    expires_at: formatDatetime(lock.expiresAt),
  };
}

function readsAsLock(value: JsonValue, lock: RegistryLock | null): boolean {
  if (lock === null || !isObject(value)) return lock === value;
  return (
    value.holder_pid === lock.holderPid &&
    value.holder_host === lock.holderHost &&
    value.holder_instance === lock.holderInstance &&
    timeOf(value.acquired_at) === lock.acquiredAt &&
    timeOf(value.heartbeat_at) === lock.heartbeatAt &&
    timeOf(value.expires_at) === lock.expiresAt
  );
}

/** Equal as JavaScript sees them: `1.0` in the file and 1, or a big integer and its rounded number. */
function sameJson(a: unknown, b: unknown): boolean {
  // NaN from the file, read and handed back, is no change either.
  if (Object.is(a, b) || a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  const [left, right] = [a, b] as readonly Record<string, unknown>[];
  return keys.every((key) => Object.hasOwn(b, key) && sameJson(left?.[key], right?.[key]));
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function readLock(lock: JsonValue): RegistryLock {
  if (!isObject(lock)) throw new EntryDamage("lock", "is not an object");
  return {
    holderPid: readInteger(lock.holder_pid, "lock.holder_pid"),
    holderHost: readString(lock.holder_host, "lock.holder_host"),
    holderInstance: lock.holder_instance === undefined ? "" : readString(lock.holder_instance, "lock.holder_instance"),
    acquiredAt: readTime(lock.acquired_at, "lock.acquired_at"),
    heartbeatAt: readTime(lock.heartbeat_at, "lock.heartbeat_at"),
    expiresAt: readTime(lock.expires_at, "lock.expires_at"),
  };
}

function readString(value: JsonValue | undefined, member: string): string {
  if (typeof value !== "string") throw wrong(value, member, "is not a string");
  return value;
}

function readComponentType(value: JsonValue | undefined): ComponentType {
  const type = COMPONENT_TYPES.find((candidate) => candidate === value);
  if (type === undefined) throw wrong(value, "component_type", `is none of ${COMPONENT_TYPES.join(", ")}`);
  return type;
}

/** Pydantic takes `4711`, `4711.0` and `"4711"`. */
function readInteger(value: JsonValue | undefined, member: string): number {
  if (typeof value === "number" && Number.isInteger(value)) return value;
  if (typeof value === "string" && INTEGER_TEXT.test(value)) return Number(value);
  throw wrong(value, member, "is not an integer");
}

function readTime(value: JsonValue | undefined, member: string): WallMs {
  const time = timeOf(value);
  if (time === undefined) throw wrong(value, member, "is not a datetime");
  return time;
}

function timeOf(value: JsonValue | undefined): WallMs | undefined {
  return typeof value === "string" || typeof value === "number" ? parseDatetime(value) : undefined;
}

function wrong(value: JsonValue | undefined, member: string, problem: string): EntryDamage {
  return new EntryDamage(member, value === undefined ? "is missing" : problem);
}
