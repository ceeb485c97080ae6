/**
 * What has happened to names between two looks at them. Pure.
 *
 * What was done and undone in between is not seen; how a name stands at the second look always is.
 */
import type { RegistryEntry } from "./entry.js";
import type { HeldBy } from "./errors.js";
import type { Ending } from "./history.js";
import { heldBy, type LockState, RECOVERY_INSTANCE } from "./lock-rules.js";
import { quoteName } from "./name.js";
import type { NamedEntry } from "./named-entry.js";
import type { Revocation, Waiter } from "./record.js";
import { isoTime, type WallMs } from "./timing.js";

/**
 * - `registered`: there was no such name; `removed`: there is none any more.
 * - `renamed`: the same ID under another name. That its lock is marked and its waiters are gone belongs to it.
 * - `id-changed`: the same name with another ID (an import, or removed and made anew).
 * - `held`: somebody else holds the name than before, or its holder gives signs of life again.
 * - `released`: nobody holds the name any more, and no lock is left on it.
 * - `crashed`, `silent`: the holder's death was proved, or it gave no sign of life for its TTL. Anybody may take the name.
 * - `revoked`: an operator wants the holder to give it up.
 * - `waiters-changed`: how many wait, or who. A holder's signs of life are no change.
 */
export type NameChangeKind =
  | "registered"
  | "removed"
  | "renamed"
  | "id-changed"
  | "type-changed"
  | "workcell-changed"
  | "metadata-changed"
  | "held"
  | "released"
  | "crashed"
  | "silent"
  | "revoked"
  | "waiters-changed";

export interface NameChange {
  readonly kind: NameChangeKind;
  /** When it was seen, by the store's clock. */
  readonly at: WallMs;
  /** The name as it is now; of a removed one, as it was. */
  readonly name: string;
  readonly id: string;
  /** Null for a new name. */
  readonly before: NamedEntry | null;
  /** Null for a removed name. */
  readonly now: NamedEntry | null;
  /** For `held` and `released`: how the hold from before has ended, where that is known. */
  readonly ending: Ending | null;
  /** What has happened, for people, without the name. */
  readonly words: string;
}

/** Somebody's time with a name, as far as it has come. */
export interface Hold {
  readonly name: string;
  readonly holder: HeldBy;
  readonly since: WallMs;
  /** Null for holders that take none (Python). */
  readonly token: number | null;
  readonly standing: "held" | "crashed" | "silent";
  readonly revocation: Revocation | null;
}

/** A name at one look, with who holds it by all that was seen until then. */
export interface Sighting {
  readonly named: NamedEntry;
  readonly hold: Hold | null;
}

/** One component at two looks: two sightings of one ID, or of one name. Never both null. */
export interface SightingPair {
  readonly before: Sighting | null;
  readonly now: Sighting | null;
}

/** @returns first who is gone, then the others in the order of `now` */
export function pairSightings(
  before: ReadonlyMap<string, Sighting>,
  now: ReadonlyMap<string, NamedEntry>,
): readonly SightingPair[] {
  const idOf = ({ named }: Sighting): string => named.entry.id;
  const unpaired = new Map([...before].filter(([name, sighting]) => now.get(name)?.entry.id !== idOf(sighting)));
  const byId = new Map([...unpaired.values()].map((sighting) => [idOf(sighting), sighting]));
  const partners = new Map<string, Sighting>();
  for (const [name, { entry }] of now) {
    const known = before.get(name);
    const partner = known !== undefined && idOf(known) === entry.id ? known : byId.get(entry.id);
    if (partner === undefined) continue;
    partners.set(name, partner);
    unpaired.delete(partner.named.name);
    byId.delete(entry.id);
  }
  for (const name of now.keys()) {
    const known = unpaired.get(name);
    if (known === undefined || partners.has(name)) continue;
    partners.set(name, known);
    unpaired.delete(name);
  }
  return [
    ...[...unpaired.values()].map((sighting) => ({ before: sighting, now: null })),
    ...[...now.values()].map((named) => {
      const partner = partners.get(named.name) ?? null;
      return { before: partner, now: sightingOf(named, partner?.hold ?? null) };
    }),
  ];
}

/** The hold from before that has ended while the name goes on, to ask a history how; null when none has. */
export function endedHold({ before, now }: SightingPair): Hold | null {
  const ended = before?.hold ?? null;
  return ended === null || now === null || isSameHold(ended, now.hold) ? null : ended;
}

/**
 * What has happened to one component, in words too. Nothing, mostly.
 *
 * @param ending how `endedHold` of the pair has ended, where that is known
 */
export function changesOf(pair: SightingPair, at: WallMs, ending: Ending | null): readonly NameChange[] {
  const { before, now } = pair;
  const subject = (now ?? before)?.named;
  if (subject === undefined) return [];
  const told = now === null ? [removal(before?.hold ?? null)] : happened(before, now, ending);
  return told.map(([kind, words]) => ({
    kind,
    at,
    name: subject.name,
    id: subject.entry.id,
    before: before?.named ?? null,
    now: now?.named ?? null,
    ending: kind === "held" || kind === "released" ? ending : null,
    words,
  }));
}

type Told = readonly [kind: NameChangeKind, words: string];

function happened(before: Sighting | null, now: Sighting, ending: Ending | null): readonly Told[] {
  const { name, entry } = now.named;
  const lock = lockChanges(before?.hold ?? null, now, ending);
  if (before !== null && before.named.name !== name)
    return [renaming(before.named.name, now.hold), ...entryChanges(before.named.entry, entry), ...lock];
  return [
    ...(before === null ? [registration(entry)] : entryChanges(before.named.entry, entry)),
    ...lock,
    ...revocationChanges(before?.hold ?? null, now.hold),
    ...waiterChanges(before?.named.waiters ?? [], now.named.waiters),
  ];
}

function entryChanges(before: RegistryEntry, now: RegistryEntry): Told[] {
  const told: Told[] = [];
  if (before.id !== now.id) told.push(["id-changed", `the ID changed from ${before.id} to ${now.id}`]);
  if (before.componentType !== now.componentType)
    told.push(["type-changed", `the type changed from ${before.componentType} to ${now.componentType}`]);
  if (before.workcellId !== now.workcellId)
    told.push([
      "workcell-changed",
      `the workcell changed from ${before.workcellId ?? "none"} to ${now.workcellId ?? "none"}`,
    ]);
  const keys = changedKeys(before.metadata, now.metadata);
  if (keys.length > 0) told.push(["metadata-changed", `metadata changed: ${enumerated(keys)}`]);
  return told;
}

function lockChanges(before: Hold | null, { named, hold }: Sighting, ending: Ending | null): Told[] {
  if (hold === null) return before === null ? [] : [["released", releasedWords(before, ending)]];
  if (isSameHold(hold, before)) {
    if (hold.standing === before?.standing) return [];
    return hold.standing === "held"
      ? [["held", `held by ${who(hold)} again: it gives signs of life`]]
      : [[hold.standing, endWords(hold, named.state)]];
  }
  const held: Told = ["held", heldWords(hold, before, ending)];
  return hold.standing === "held" ? [held] : [held, [hold.standing, endWords(hold, named.state)]];
}

function revocationChanges(before: Hold | null, hold: Hold | null): Told[] {
  if (hold === null || hold.revocation === null) return [];
  if (isSameHold(hold, before) && before?.revocation != null) return [];
  return [["revoked", `revoked (${hold.revocation.reason}): ${who(hold)} has to give it up`]];
}

function waiterChanges(before: readonly Waiter[], now: readonly Waiter[]): Told[] {
  if (before.length === now.length && before.every(({ ticket }, index) => ticket === now[index]?.ticket)) return [];
  const [first] = now;
  if (first === undefined) return [["waiters-changed", "nobody waits any more"]];
  return [["waiters-changed", `${now.length} waiting, the first since ${isoTime(first.since)}`]];
}

/**
 * A look may fall into the middle of a write, and a store may lose its notes or keep a name for a holder whose lock was
 * taken off the entry: what is known of a hold counts until another begins, and none begins without a lock on the entry.
 */
function sightingOf(named: NamedEntry, before: Hold | null): Sighting {
  const { name, entry, state } = named;
  const lock = entry.lock ?? (state.kind === "held" ? state.lock : null);
  if (lock === null || (lock.holderInstance === RECOVERY_INSTANCE && state.kind === "free"))
    return { named, hold: null };
  const standing = state.kind === "held" ? "held" : state.why === "dead" ? "crashed" : "silent";
  const { token, revocation } = named;
  const seen: Hold = { name, token, revocation, holder: heldBy(lock), since: lock.acquiredAt, standing };
  if (!isSameHold(seen, before)) return { named, hold: entry.lock === null ? null : seen };
  const mark = {
    token: seen.token ?? before?.token ?? null,
    revocation: seen.revocation ?? before?.revocation ?? null,
  };
  return { named: { ...named, ...mark }, hold: { ...seen, ...mark } };
}

function isSameHold(a: Hold, b: Hold | null): boolean {
  if (b === null || a.holder.instance !== b.holder.instance || a.since !== b.since) return false;
  return a.token === b.token || a.token === null || b.token === null;
}

/** What a history tells, or else what could be seen before the end. */
function endingOf({ standing, revocation }: Hold, known: Ending | null): Ending | null {
  if (known !== null) return known;
  if (standing !== "held") return { how: standing };
  return revocation === null ? null : { how: "revoked", detail: revocation.reason };
}

function registration({ id, componentType }: RegistryEntry): Told {
  return ["registered", `registered as ${componentType} with the ID ${id}`];
}

function removal(hold: Hold | null): Told {
  return ["removed", hold === null ? "removed" : `removed, with the lock of ${who(hold)}`];
}

function renaming(from: string, hold: Hold | null): Told {
  const stop = hold === null || hold.revocation === null ? "" : `; ${who(hold)} has to give it up`;
  return ["renamed", `renamed, it was ${quoteName(from)}${stop}`];
}

function heldWords(hold: Hold, before: Hold | null, known: Ending | null): string {
  if (isHeldBack(hold)) return "held back after damage, since a process whose lock was lost in it may hold the name";
  const held = `held by ${who(hold)}, ${hold.token === null ? "without a token" : `token ${hold.token}`}`;
  if (before === null || isHeldBack(before)) return held;
  const former = before.holder.instance === hold.holder.instance ? "itself" : who(before);
  const ending = endingOf(before, known);
  if (ending === null) return `${held}, after ${former}`;
  if (ending.how === "released") return `${held}, after ${former} released it`;
  return `${held}, took over from ${former} (${endingText(ending)})`;
}

function releasedWords(hold: Hold, known: Ending | null): string {
  if (isHeldBack(hold)) return "free: not held back any more";
  const ending = endingOf(hold, known);
  if (ending === null) return `free: the lock of ${who(hold)} is gone`;
  switch (ending.how) {
    case "released":
      return `released by ${who(hold)}`;
    case "crashed":
    case "silent":
      return `free: the lock of ${who(hold)} (${endingText(ending)}) was removed`;
    case "revoked":
      return hold.revocation === null
        ? `taken from ${who(hold)} at once (${endingText(ending)})`
        : `given up by ${who(hold)} (${endingText(ending)})`;
    case "renamed":
    case "lost":
      return `taken from ${who(hold)} (${endingText(ending)})`;
    default:
      return ending.how satisfies never;
  }
}

function isHeldBack({ holder }: Hold): boolean {
  return holder.instance === RECOVERY_INSTANCE;
}

/** @see judgeLock in lock-rules.ts */
function endWords(hold: Hold, state: LockState): string {
  if (hold.standing === "crashed") return `crashed: ${who(hold)} ended without releasing it; anybody may take it`;
  return state.kind === "free" && state.why === "expired"
    ? `expired: ${who(hold)} did not refresh its lock; anybody may take it`
    : `silent: ${who(hold)} has given no sign of life for its TTL; anybody may take it`;
}

function endingText({ how, detail }: Ending): string {
  return detail === undefined ? how : `${how}: ${detail}`;
}

function who({ holder }: Hold): string {
  return `${holder.host} (PID ${holder.pid})`;
}

function changedKeys(before: RegistryEntry["metadata"], now: RegistryEntry["metadata"]): readonly string[] {
  const textOf = (metadata: typeof now, key: string): string =>
    Object.hasOwn(metadata, key) ? JSON.stringify(metadata[key]) : "";
  const keys = new Set([...Object.keys(before), ...Object.keys(now)]);
  return [...keys].filter((key) => textOf(before, key) !== textOf(now, key));
}

const ENUMERATED_MAX = 8;

function enumerated(keys: readonly string[]): string {
  const some = keys.slice(0, ENUMERATED_MAX).map(quoteName).join(", ");
  return keys.length > ENUMERATED_MAX ? `${some} and ${keys.length - ENUMERATED_MAX} more` : some;
}
