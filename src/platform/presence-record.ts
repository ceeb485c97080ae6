import type { Holder } from "../core/entry.js";
import { type MonotonicMs, monotonicMs } from "../core/timing.js";
import { bootId } from "./clock.js";
import { host, type NamespaceKind } from "./host.js";

/** What a process writes of itself into its presence file, once. */
export interface PresenceRecord {
  readonly version: 1;
  readonly instance: string;
  readonly pid: number;
  readonly host: string;
  readonly ttlMs: number;
  /** Beats compare with a clock of the same boot and time namespace only; `""` where the platform tells none. */
  readonly bootId: string;
  readonly timeNamespace: string;
  readonly pidNamespace: string;
  readonly mountNamespace: string;
  /** Of the presence file itself, in decimal: a copy or a restored backup has another inode, and proves nothing. */
  readonly dev: string;
  readonly ino: string;
}

/** The last sign of life. */
export interface Beat {
  /** Rises by one with each beat. */
  readonly seq: number;
  readonly atMs: MonotonicMs;
}

export interface PresenceContent {
  readonly record: PresenceRecord;
  /** Nothing when it was read while it was being written. */
  readonly beat: Beat | undefined;
}

export interface Inode {
  readonly dev: bigint;
  readonly ino: bigint;
}

/** No record of ours is longer. */
export const PRESENCE_BYTES_MAX = 8 * 1024;

export function describeSelf(holder: Holder, inode: Inode): PresenceRecord {
  return {
    version: 1,
    instance: holder.instance,
    pid: holder.pid,
    host: holder.host,
    ttlMs: holder.ttlMs,
    bootId: bootId(),
    timeNamespace: namespaceOf("time"),
    pidNamespace: namespaceOf("pid"),
    mountNamespace: namespaceOf("mnt"),
    dev: String(inode.dev),
    ino: String(inode.ino),
  };
}

/** The first line of the file: always as long, so that a beat is one small write at offset 0. */
export function encodeBeat(beat: Beat): Buffer {
  const seq = String(beat.seq).padStart(16);
  // The number stands at both ends: a reader sees whether it read half of a beat.
  return Buffer.from(`{"seq":${seq},"atMs":${beat.atMs.toFixed(3).padStart(20)},"end":${seq}}\n`, "latin1");
}

/** The whole file: the beat's line, then the record's. */
export function encodePresence(record: PresenceRecord, beat: Beat): Buffer {
  return Buffer.concat([encodeBeat(beat), Buffer.from(`${JSON.stringify(record)}\n`, "utf8")]);
}

/** @returns nothing when it is no presence file of a version that we know */
export function decodePresence(text: string): PresenceContent | undefined {
  const [beatLine = "", recordLine = ""] = text.split("\n");
  const record = parseJson(recordLine);
  return isRecord(record) ? { record, beat: decodeBeat(beatLine) } : undefined;
}

export function isOriginal(record: PresenceRecord, inode: Inode): boolean {
  return record.ino === String(inode.ino) && record.dev === String(inode.dev);
}

/**
 * How long a holder has been silent, without any wall clock.
 *
 * @returns nothing when the beat was written by another clock: another boot's, another time namespace's
 */
export function beatAgeMs({ record, beat }: PresenceContent, nowMs: MonotonicMs): number | undefined {
  if (beat === undefined || record.bootId === "" || record.bootId !== bootId()) return undefined;
  if (record.timeNamespace !== namespaceOf("time")) return undefined;
  return Math.max(0, nowMs - beat.atMs);
}

const namespaces = new Map<NamespaceKind, string>();

/** @returns `""` where the platform has no such namespaces or hides them */
function namespaceOf(kind: NamespaceKind): string {
  let found = namespaces.get(kind);
  if (found === undefined) {
    found = host().namespaceOf(kind);
    namespaces.set(kind, found);
  }
  return found;
}

function decodeBeat(line: string): Beat | undefined {
  const found = parseJson(line);
  if (!isObject(found) || typeof found["seq"] !== "number" || found["seq"] !== found["end"]) return undefined;
  const atMs = found["atMs"];
  return typeof atMs === "number" ? { seq: found["seq"], atMs: monotonicMs(atMs) } : undefined;
}

function isRecord(found: unknown): found is PresenceRecord {
  return (
    isObject(found) &&
    found["version"] === 1 &&
    TEXT_FIELDS.every((field) => typeof found[field] === "string") &&
    NUMBER_FIELDS.every((field) => typeof found[field] === "number")
  );
}

const TEXT_FIELDS = ["instance", "host", "bootId", "timeNamespace", "pidNamespace", "mountNamespace", "dev", "ino"];
const NUMBER_FIELDS = ["pid", "ttlMs"];

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

/** @returns nothing for what is no JSON: the caller then doubts the file */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
