/** Two names with one ID are one component: whoever holds one of them keeps the other from being held. */
import { RegistryLockError } from "../../core/errors.js";
import { heldBy, judgeLock } from "../../core/lock-rules.js";
import { quoteName } from "../../core/name.js";
import { entryIdOf } from "../../core/text/entry-id.js";
import type { RegistryDocument } from "../../core/text/registry-document.js";
import { isoTime } from "../../core/timing.js";
import { snapshotFrom } from "./snapshot.js";
import type { Work } from "./work.js";

/**
 * To be asked at a grant. No change of ours leads to this, and no heartbeat ends it: somebody has edited the file.
 *
 * @throws RegistryLockError `held` where another name with the ID is held, or may be
 * @see docs/SPEC.md#G2
 */
export function refuseSharedId(work: Work, holdersDirectory: string, name: string): void {
  const { document } = work;
  const id = entryIdOf(document.entryText(name) ?? "");
  if (!searchOf(work.found.document).mayBeShared(id)) return;
  for (const other of document.names()) {
    if (other === name || entryIdOf(document.entryText(other) ?? "") !== id) continue;
    const state = judgeLock(snapshotFrom(work, holdersDirectory, other), 0);
    if (state.kind === "free") continue;
    const { lock } = state;
    throw new RegistryLockError(
      "held",
      `${quoteName(name)} has the same ID (${id}) as ${quoteName(other)}, which is held by ${lock.holderHost} (PID ${lock.holderPid}) since ${isoTime(lock.acquiredAt)}: two processes would act as one component. ` +
        "Find out which of the two names the ID belongs to, and remove the other or import it with its own ID (from a backup); to rename one does not help. See 'namehold doctor'.",
      { name, heldBy: heldBy(lock), since: lock.acquiredAt, until: lock.expiresAt },
    );
  }
}

/**
 * Whether a name may have this ID already: false where none has. Told of an ID that is about to be given, it remembers it
 * for the rest of the turn.
 */
export function mayBeTaken(work: Work, id: string): boolean {
  const given = GIVEN.get(work) ?? new Set();
  GIVEN.set(work, given);
  const isTaken = given.has(id) || searchOf(work.found.document).mayBeThere(id);
  given.add(id);
  return isTaken;
}

const GIVEN = new WeakMap<Work, Set<string>>();

/** A search for one ID costs a tenth of a list of all, or less. */
const SEARCHES_MAX = 10;
const ID_MEMBER = /"id"\s*:\s*("[^"]*")/g;

/** Tells quickly of most IDs that they stand in a registry only once, or nowhere. */
class IdSearch {
  readonly #text: string;
  #searches = 0;
  #counted: IdCount | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  /** True also where it only looks so. Not found is an ID that is spelled with escapes, as no program writes it. */
  mayBeShared(id: string): boolean {
    const quoted = JSON.stringify(id);
    const counted = this.#count();
    if (counted !== undefined) return counted.repeated.has(quoted);
    const first = this.#text.indexOf(quoted);
    return first !== -1 && this.#text.includes(quoted, first + 1);
  }

  /** As `mayBeShared`. */
  mayBeThere(id: string): boolean {
    const quoted = JSON.stringify(id);
    return this.#count()?.seen.has(quoted) ?? this.#text.includes(quoted);
  }

  /** Undefined where to search the text is quicker. */
  #count(): IdCount | undefined {
    this.#searches += 1;
    if (this.#searches > SEARCHES_MAX) this.#counted ??= countIds(this.#text);
    return this.#counted;
  }
}

interface IdCount {
  readonly seen: ReadonlySet<string>;
  readonly repeated: ReadonlySet<string>;
}

function countIds(text: string): IdCount {
  const seen = new Set<string>();
  const repeated = new Set<string>();
  for (const [, quoted = ""] of text.matchAll(ID_MEMBER)) {
    if (seen.has(quoted)) repeated.add(quoted);
    seen.add(quoted);
  }
  return { seen, repeated };
}

/** IDs can only be shared in what a turn found: namehold itself gives none to two names. */
const SEARCHES = new WeakMap<RegistryDocument, IdSearch>();

function searchOf(found: RegistryDocument): IdSearch {
  const search = SEARCHES.get(found) ?? new IdSearch(found.toString());
  SEARCHES.set(found, search);
  return search;
}
