/** A draft that was accepted, as the function `commit` takes it (writing-sql.ts). */

import { NameholdError } from "../../core/errors.js";
import { namesIn } from "../records/change-parts.js";
import type { Draft, QueueStep } from "../records/draft.js";
import type { EntryRow, LockRow, Looked } from "../records/rows.js";
import type { Change, ChangePart } from "../store.js";
import { encodeText, keyOf } from "./encoded-text.js";
import type { Numbers } from "./numbers.js";
import type { OwnLife } from "./own-life.js";
import { holderKey } from "./rows.js";
import { toUs } from "./server-clock.js";

/** What the draft was made from. */
export interface RequestBase {
  readonly change: Change;
  readonly life: OwnLife | null;
  /** Every name that the draft has looked up. */
  readonly looked: ReadonlyMap<string, Looked>;
  readonly numbers: Numbers;
  /** What the server's clock should say, in microseconds; null where that is not known. */
  readonly expectedUs: number | null;
  /** After that, by the server's clock, it must not be written any more. */
  readonly deadlineUs: number | null;
  /** IDs that come to other names, and what is known of their uses, as the server has told it. */
  readonly uses: { readonly ids: readonly string[]; readonly told: unknown } | null;
  /** The recovery that is over, as this process has seen. */
  readonly recoveredUs: number | null;
}

export function changeRequest(draft: Draft, base: RequestBase): string {
  const { change, life, numbers } = base;
  const writes = writesOf(draft, base);
  const gone = [...draft.changed].filter(([, row]) => row === null || row.n === 0);
  const goneVersions = gone.flatMap(([name]) => base.looked.get(name)?.row?.version ?? []);
  const raise = Math.max(change.tokenFloor ?? 0, ...goneVersions);
  return JSON.stringify({
    names: namesIn(change).map((name) => keyOf(name).key),
    told: [...draft.changed.keys(), ...draft.formers.keys(), ...formersForgotten(draft, base)].map(
      (name) => keyOf(name).key,
    ),
    checks: checksOf(draft, base),
    writes,
    expected: base.expectedUs,
    deadline: base.deadlineUs,
    ...(writes.some(({ do: how }) => how === "insert" || how === "move") ? { makes: true } : {}),
    ...(life === null ? {} : { life: life.n, ...(life.isBorn ? {} : { newborn: life.holder.ttlMs }) }),
    ...numbers.range,
    ...(raise > 0 ? { raise } : {}),
    ...(base.uses === null ? {} : { ids: base.uses.ids.map(encodeText), uses: base.uses.told }),
    ...(base.recoveredUs === null ? {} : { recovered: base.recoveredUs }),
    ...unlessEmpty("beside", besidesOf(draft, base)),
    ...queuesOf(draft, base),
  });
}

/** All that must still be as the draft has supposed. */
function checksOf(draft: Draft, { change, life, looked }: RequestBase): readonly object[] {
  const watched = holdersWatched(change.parts);
  return [...looked].flatMap(([name, { row, former }]): readonly object[] => {
    const isChanged = draft.changed.has(name);
    const isWatched = watched.has(name) || watched.has(null);
    const inTheWay = row?.lock ?? former;
    const { key } = keyOf(name);
    if (!isChanged && !isWatched)
      return draft.queueSteps.some((step) => isJoining(step, name)) ? [{ name: key, exists: true }] : [];
    const other = inTheWay === null || inTheWay.life === life?.n ? {} : { life: inTheWay.life };
    const holder = isWatched ? { holder: inTheWay === null ? null : holderKey(inTheWay) } : {};
    return [{ name: key, version: row?.version ?? null, ...other, ...holder }];
  });
}

/** Names whose holders must not have shown a sign of life. With null: all that were looked at, since an ID depends on them. */
function holdersWatched(parts: readonly ChangePart[]): ReadonlySet<string | null> {
  return new Set(
    parts.flatMap((part) => {
      if (part.kind === "put" && part.write.source !== undefined) return [part.name, null];
      if (part.kind === "put" && part.write.lock?.kind === "grant") return [part.name];
      return "expectHolder" in part && part.expectHolder !== undefined ? [part.name] : [];
    }),
  );
}

function isJoining(step: QueueStep, name: string): boolean {
  return step.kind === "enqueue" && step.name === name;
}

const ORDER = ["delete", "renumber", "move", "update", "insert"] as const;

interface Write {
  readonly do: (typeof ORDER)[number];
  readonly [member: string]: unknown;
}

function writesOf(draft: Draft, base: RequestBase): readonly Write[] {
  const writes: Write[] = [];
  const moved = new Set<string>();
  for (const [name, after] of draft.changed) {
    const before = base.looked.get(name)?.row ?? null;
    if (after === null || after === before) continue;
    const from = before === null && after.n !== 0 ? movedFrom(after, name, base) : undefined;
    if (from !== undefined) moved.add(from.name);
    if (before !== null && after.n === 0) writes.push({ do: "delete", name: keyOf(name).key });
    const origin = from ?? (after.n === 0 ? null : before);
    if (from === undefined && origin !== null && origin.id !== after.id)
      writes.push({ do: "renumber", name: keyOf(name).key });
    writes.push(writeOf(after, { name, origin, from, draft, base }));
  }
  for (const [name, after] of draft.changed) {
    const isThere = base.looked.get(name)?.row != null;
    if (after === null && isThere && !moved.has(name)) writes.push({ do: "delete", name: keyOf(name).key });
  }
  return writes.toSorted((a, b) => ORDER.indexOf(a.do) - ORDER.indexOf(b.do));
}

function movedFrom(after: EntryRow, name: string, { looked }: RequestBase): EntryRow | undefined {
  for (const { row } of looked.values()) if (row !== null && row.name !== name && row.id === after.id) return row;
  return undefined;
}

interface WriteContext {
  readonly name: string;
  /** The row that becomes this one. */
  readonly origin: EntryRow | null;
  readonly from: EntryRow | undefined;
  readonly draft: Draft;
  readonly base: RequestBase;
}

function writeOf(after: EntryRow, { name, origin, from, base }: WriteContext): Write {
  const { key, full } = keyOf(name);
  const isNewText =
    origin === null ||
    origin.source !== after.source ||
    origin.id !== after.id ||
    origin.componentType !== after.componentType;
  const locking = lockingOf(origin?.lock ?? null, after.lock, base.numbers);
  const version = locking === "grant" ? after.lock?.token : base.numbers.next();
  return {
    do: from !== undefined ? "move" : origin === null ? "insert" : "update",
    name: key,
    ...(full === null ? {} : { full_name: full }),
    ...(from === undefined ? {} : { from: keyOf(from.name).key }),
    version,
    ...(isNewText
      ? { id: encodeText(after.id), component_type: after.componentType, source: encodeText(after.source) }
      : {}),
    locking,
    seen: seenOf(origin, after),
    ...lockMembers(after, locking),
  };
}

/** A lock whose last refresh may be a beat that is not known here is frozen by the server. */
function lockingOf(
  before: LockRow | null,
  after: LockRow | null,
  numbers: Numbers,
): "keep" | "none" | "grant" | "freeze" {
  if (after === before) return "keep";
  if (after === null) return "none";
  return numbers.isOurs(after.token) ? "grant" : "freeze";
}

function lockMembers({ id, lock }: EntryRow, locking: string): object {
  if (lock === null) return {};
  if (locking === "grant") return { lock: [encodeText(lock.instance), lock.pid, encodeText(lock.host), lock.ttlMs] };
  return {
    ...(lock.id === id ? {} : { lock_id: encodeText(lock.id) }),
    ...(lock.revocation === null
      ? {}
      : {
          revocation: encodeText(JSON.stringify(lock.revocation)),
          revoked_why: encodeText(lock.revocation.reason),
        }),
  };
}

function seenOf(before: EntryRow | null, after: EntryRow): "now" | "keep" | "source" {
  if (after.lastSeen === (before?.lastSeen ?? null)) return "keep";
  return after.lastSeen === null ? "source" : "now";
}

/** What is left beside the entries. */
function besidesOf(draft: Draft, { looked, numbers }: RequestBase): object {
  const made = [...draft.ended.map(({ token }) => token), ...draft.words.map(({ token }) => token), ...draft.forgotten];
  if (made.some((token) => token !== null && numbers.isOurs(token))) {
    throw new NameholdError("invalid-input", "A change cannot grant a lock and take it away again. Make two of it.");
  }
  const formers = [...draft.formers].filter(([, lock]) => lock !== null);
  const givenUp = [...draft.formers].filter(([, lock]) => lock === null);
  const locks = [...looked.values()].flatMap(({ row }) => row?.lock ?? []);
  return {
    ...listed("ended", draft.ended, ({ name, ending }) => ({
      name: keyOf(name).key,
      how: ending.how,
      ...(ending.detail === undefined ? {} : { detail: encodeText(ending.detail) }),
    })),
    ...listed("recalled", draft.recalled, recalled),
    ...listed("forgotten", draft.forgotten, (token) => ({
      token,
      life: locks.find((lock) => lock.token === token)?.life ?? 0,
    })),
    ...listed("given_up", givenUp, ([name]) => keyOf(name).key),
    ...listed("formers", formers, ([name]) => keyOf(name).key),
    ...listed("words", draft.words, ({ life, token, name, loss }) => ({
      life,
      token,
      name: encodeText(name),
      loss: encodeText(JSON.stringify(loss)),
    })),
    ...(draft.replacedBy === undefined
      ? {}
      : {
          backup: {
            change: numbers.next(),
            why: draft.replacedBy,
            names: [...draft.replaced.keys()].map((name) => keyOf(name).key),
          },
        }),
  };
}

function recalled({
  name,
  id,
  holder,
  token,
  since,
  lastHeartbeat,
  until,
  ending,
  observed,
}: Draft["recalled"][number]): object {
  const { key, full } = keyOf(name);
  return {
    name: key,
    full_name: full,
    id: encodeText(id),
    instance: encodeText(holder.instance),
    pid: holder.pid,
    host: encodeText(holder.host),
    token,
    since: toUs(since),
    last_heartbeat: toUs(lastHeartbeat),
    until: toUs(until),
    how: ending.how,
    detail: ending.detail === undefined ? null : encodeText(ending.detail),
    observed,
  };
}

/** The ends of queues and of offers go with the entries (WRITE_ENTRIES), which are known there. */
function queuesOf(draft: Draft, { life }: RequestBase): object {
  const steps = draft.queueSteps.filter((step) => step.kind !== "end-offers");
  return listed("queues", steps, ({ kind, name, ticket }) => ({
    kind,
    name: keyOf(name).key,
    ticket: encodeText(ticket),
    ...(kind === "enqueue" ? { instance: encodeText(life?.holder.instance ?? "") } : {}),
  }));
}

/** Names that are free when a lock is given up under a later name. */
function formersForgotten(draft: Draft, { looked }: RequestBase): readonly string[] {
  return [...looked.values()].flatMap(({ name, former }) =>
    former !== null && draft.forgotten.includes(former.token) ? [name] : [],
  );
}

function unlessEmpty(member: string, members: object): object {
  return Object.keys(members).length === 0 ? {} : { [member]: members };
}

function listed<T>(member: string, items: readonly T[], shape: (item: T) => unknown): object {
  return items.length === 0 ? {} : { [member]: items.map(shape) };
}
