/** What is said to etcd's JSON gateway and back: bytes are base64, 64-bit numbers are strings, zeros are left out. */

/** One key as it is. */
export interface Kv {
  readonly key: string;
  readonly value: string;
  /** The revision at which it was last written. */
  readonly mod: number;
  /** The revision at which it was made. */
  readonly create: number;
  /** `NO_LEASE` without one. */
  readonly lease: string;
}

export interface RangeOptions {
  /** Exclusive. Without it, the key alone. */
  readonly end?: string;
  readonly limit?: number;
  readonly isDescending?: boolean;
  readonly keysOnly?: boolean;
  readonly countOnly?: boolean;
}

export type Op = {
  readonly [kind in "request_put" | "request_range" | "request_delete_range" | "request_txn"]?: object;
};

/** What must be true for a change to be made. */
export type Guard = Readonly<Record<string, string>>;

export interface Ranged {
  readonly kvs: readonly Kv[];
  readonly count: number;
}

export interface TxnResult {
  readonly succeeded: boolean;
  readonly revision: number;
  /** What the range operations of the branch that was taken have found, in their order. */
  readonly ranges: readonly Ranged[];
}

/** What has no lease stands until it is removed. */
export const NO_LEASE = "0";

export function put(key: string, text: string, lease = NO_LEASE): Op {
  return { request_put: { key: toBase64(key), value: toBase64(text), lease } };
}

export function range(key: string, { end, limit, isDescending, keysOnly, countOnly }: RangeOptions = {}): Op {
  return {
    request_range: {
      key: toBase64(key),
      ...(end === undefined ? {} : { range_end: toBase64(end) }),
      ...(limit === undefined ? {} : { limit: String(limit) }),
      ...(isDescending === true ? { sort_order: "DESCEND", sort_target: "KEY" } : {}),
      ...(keysOnly === true ? { keys_only: true } : {}),
      ...(countOnly === true ? { count_only: true } : {}),
    },
  };
}

export function remove(key: string, end?: string): Op {
  return {
    request_delete_range: { key: toBase64(key), ...(end === undefined ? {} : { range_end: toBase64(end) }) },
  };
}

/** Does something on a condition of its own, without making the whole change depend on it. */
export function when(guards: readonly Guard[], then: readonly Op[]): Op {
  return { request_txn: { compare: guards, success: then, failure: [] } };
}

/** It was last written at that revision; 0: there is none. */
export function isAt(key: string, mod: number): Guard {
  return { key: toBase64(key), target: "MOD", result: "EQUAL", mod_revision: String(mod) };
}

export function exists(key: string): Guard {
  return { key: toBase64(key), target: "CREATE", result: "GREATER", create_revision: "0" };
}

export function isMissing(key: string): Guard {
  return { key: toBase64(key), target: "CREATE", result: "EQUAL", create_revision: "0" };
}

/** Nothing was written between the keys after that revision. */
export function isUnchanged(key: string, end: string, since: number): Guard {
  return {
    key: toBase64(key),
    range_end: toBase64(end),
    target: "MOD",
    result: "LESS",
    mod_revision: String(since + 1),
  };
}

export function toBase64(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}

export function readKv(raw: RawKv): Kv {
  return {
    key: fromBase64(raw.key),
    value: fromBase64(raw.value),
    mod: Number(raw.mod_revision ?? 0),
    create: Number(raw.create_revision ?? 0),
    lease: raw.lease ?? NO_LEASE,
  };
}

export function readRange({ kvs = [], count }: RawRange): Ranged {
  return { kvs: kvs.map(readKv), count: Number(count ?? 0) };
}

export function readTxn(raw: RawTxn): TxnResult {
  const ranges = (raw.responses ?? []).flatMap(({ response_range }) => response_range ?? []);
  return { succeeded: raw.succeeded === true, revision: revisionOf(raw), ranges: ranges.map(readRange) };
}

export function revisionOf({ header }: { readonly header?: RawHeader }): number {
  return Number(header?.revision ?? 0);
}

export interface RawHeader {
  readonly cluster_id?: string;
  readonly member_id?: string;
  readonly revision?: string;
}

export interface RawKv {
  readonly key?: string;
  readonly value?: string;
  readonly mod_revision?: string;
  readonly create_revision?: string;
  readonly lease?: string;
}

export interface RawRange {
  readonly kvs?: readonly RawKv[];
  readonly count?: string;
}

export interface RawTxn {
  readonly header?: RawHeader;
  readonly succeeded?: boolean;
  readonly responses?: readonly { readonly response_range?: RawRange }[];
}

function fromBase64(text: string | undefined): string {
  return text === undefined ? "" : Buffer.from(text, "base64").toString("utf8");
}
