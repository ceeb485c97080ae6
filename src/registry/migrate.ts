/** Moving all of one registry into another, whatever stores they are in. */
import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { isNameholdError, NameholdError, RegistryError, RegistryLockError } from "../core/errors.js";
import type { PastHold } from "../core/history.js";
import { heldError, judgeLock, type LockState, RECOVERY_INSTANCE } from "../core/lock-rules.js";
import { quoteName } from "../core/name.js";
import type { EntryRecord, Snapshot } from "../core/record.js";
import { editEntry } from "../core/text/entry-text.js";
import { wallMs } from "../core/timing.js";
import type { Change, ChangePart } from "../stores/store.js";
import { snapshotOf } from "./acquire.js";
import type { Registry } from "./registry.js";
import { isSamePlace, missingRegistry } from "./registry-place.js";

export interface MigrateOptions {
  /**
   * Also while names are held in the source (their holders are told there to stop), and over entries of the target that
   * differ. Default false. Never over another ID, nor over a name that is held in the target.
   */
  readonly force?: boolean;
  /** Called now and then with what is being done and how many entries or holds of it are done. */
  readonly onProgress?: (doing: MigrateStep, done: number) => void;
  /** Cancels between two batches. What was moved by then stays, and the move can be repeated. */
  readonly signal?: AbortSignal;
}

export type MigrateStep = "comparing" | "moving entries" | "moving history" | "checking";

export interface MigrateReport {
  /** Entries of the source, all of which are in the target now. */
  readonly entries: number;
  /** Those that this run has written; the others were there already. */
  readonly moved: number;
  /** Ended holds of the source's history that are in the target's now. */
  readonly holds: number;
  /** Those that the target could not keep: its history is bounded, and never fails a change. */
  readonly holdsLost: number;
  /**
   * SHA-256 of each entry (name and text, but for the lock and the moment it was last seen), summed up modulo 2^256, in
   * hexadecimal: the same in the source and for the source's names in the target.
   */
  readonly checksum: string;
  /** With `force`: names that were held in the source. */
  readonly heldNames: readonly string[];
}

/** What is in memory at one time. */
const BATCH = 2_000;
const TOLD_MAX = 5;

/**
 * Moves entries (IDs, metadata, every letter of them), the last token and the history; not locks. The source stays as it
 * is. After a failure, or when it was cancelled, it can be repeated: what is there already is compared and left alone.
 *
 * @throws RegistryLockError `held` while a name is held in the source, and `force` was not given; or held in the target
 * @throws RegistryError `already-exists` when the target has another ID for a name, the same ID for another name, or (without
 *   `force`) other contents; `not-found` for a source without entries; `busy` when the source changed meanwhile
 * @throws RegistryError `damaged` when names of the source may be missing, or of the target, or cannot be read
 * @throws NameholdError `aborted`, `invalid-input` when both are the same registry, however spelled
 * @see docs/SPEC.md#G1 and #G3
 */
export async function migrate(from: Registry, to: Registry, options: MigrateOptions = {}): Promise<MigrateReport> {
  if (isSamePlace(from.location, to.location)) {
    throw new NameholdError("invalid-input", `${from.location} cannot be moved to itself. Name another location.`);
  }
  return new Migration(from, to, options).run();
}

class Migration {
  readonly #from: Registry;
  readonly #to: Registry;
  readonly #options: MigrateOptions;

  constructor(from: Registry, to: Registry, options: MigrateOptions) {
    this.#from = from;
    this.#to = to;
    this.#options = options;
  }

  async run(): Promise<MigrateReport> {
    await this.#refuseDamage();
    const { entries, heldNames } = await this.#compare();
    // Once more: what the reading has found is known by now.
    await this.#refuseDamage();
    if (entries === 0) throw nothingToMove(this.#from);
    for (const name of heldNames) await this.#tellHolder(name);
    await this.#raiseTokens();
    const moved = await this.#moveEntries();
    const history = await this.#moveHistory();
    // Who took a name meanwhile has a token that the first floor did not know.
    await this.#raiseTokens();
    const checksum = await this.#check(new Set(heldNames));
    return { entries, moved, ...history, checksum, heldNames };
  }

  /** Before anything is written: all that would refuse the move half way. */
  async #compare(): Promise<{ readonly entries: number; readonly heldNames: readonly string[] }> {
    const heldNames: string[] = [];
    const differing: string[] = [];
    let entries = 0;
    for await (const { record, snapshot, there } of this.#pairs("comparing")) {
      entries += 1;
      const held = judgeLock(snapshot, 0);
      if (held.kind === "held" && this.#options.force !== true) throw refuseHeld(record.name, held, "the source");
      if (held.kind === "held") heldNames.push(record.name);
      if (this.#compareOne(record, there) === "differs") differing.push(record.name);
    }
    if (differing.length > 0 && this.#options.force !== true) throw refuseDiffering(differing, this.#to);
    return { entries, heldNames };
  }

  #compareOne(record: EntryRecord, there: Snapshot): "missing" | "same" | "differs" {
    const target = there.record;
    const lock = judgeLock(there, 0);
    if (target === null && lock.kind === "free") return "missing";
    if (target !== null && target.entry.id !== record.entry.id) throw refuseOtherId(record, target, this.#to);
    if (target !== null && contentOf(target) === contentOf(record)) return "same";
    if (lock.kind === "held") throw refuseHeld(record.name, lock, "the target");
    return "differs";
  }

  /** The source is not the place to hold the name any more. A Python holder cannot be told: the report names it. */
  async #tellHolder(name: string): Promise<void> {
    try {
      await this.#from.revoke(name, { reason: `the registry moves to ${this.#to.location}` });
    } catch (error) {
      if (!isNameholdError(error, "unsupported", "not-found")) throw error;
    }
  }

  get #writtenAtOnce(): number {
    return Math.min(BATCH, this.#to.store.capabilities.partsMax ?? BATCH);
  }

  async #raiseTokens(): Promise<void> {
    await this.#write([], await this.#from.store.lastToken());
  }

  async #moveEntries(): Promise<number> {
    let moved = 0;
    let parts: ChangePart[] = [];
    for await (const { record, there } of this.#pairs("moving entries")) {
      if (this.#compareOne(record, there) === "same") continue;
      const expect = there.record?.version ?? "absent";
      parts.push({ kind: "put", name: record.name, expect, write: { source: record.source } });
      moved += 1;
      if (parts.length < this.#writtenAtOnce) continue;
      await this.#write(parts);
      parts = [];
    }
    await this.#write(parts);
    return moved;
  }

  /** @returns how many of the source's holds are in the target's history now: what cannot be kept is no failure there */
  async #moveHistory(): Promise<{ readonly holds: number; readonly holdsLost: number }> {
    const missing = new Set<string>();
    let moved = 0;
    let parts: ChangePart[] = [];
    for await (const hold of this.#from.store.history({})) {
      parts.push({ kind: "recall", name: hold.name, hold });
      missing.add(keyOf(hold));
      moved += 1;
      if (parts.length < this.#writtenAtOnce) continue;
      this.#tell("moving history", moved);
      await this.#write(parts);
      parts = [];
    }
    await this.#write(parts);
    const wanted = missing.size;
    for await (const hold of this.#to.store.history({})) missing.delete(keyOf(hold));
    return { holds: wanted - missing.size, holdsLost: missing.size };
  }

  /** Reads both anew: what is told at the end is what is there. */
  async #check(known: ReadonlySet<string>): Promise<string> {
    const wanted = new EntrySum();
    const found = new EntrySum();
    for await (const { record, snapshot, there } of this.#pairs("checking")) {
      const state = judgeLock(snapshot, 0);
      if (state.kind === "held" && !known.has(record.name)) throw refuseHeld(record.name, state, "the source");
      wanted.add(record);
      if (there.record !== null) found.add(there.record);
    }
    if (wanted.toString() !== found.toString()) throw changedMeanwhile(this.#from);
    return wanted.toString();
  }

  /** Every entry of the source, and what is known of its name in the target. */
  async *#pairs(doing: MigrateStep): AsyncIterable<Pair> {
    let seen = 0;
    let batch: Omit<Pair, "there">[] = [];
    for await (const snapshot of this.#from.store.list()) {
      if (snapshot.record !== null) batch.push({ record: snapshot.record, snapshot });
      if (batch.length < BATCH) continue;
      yield* await this.#withTarget(batch);
      seen += batch.length;
      batch = [];
      this.#tell(doing, seen);
      // Stores need not leave the event loop a turn: whoever wants to cancel needs one.
      await setImmediate();
      this.#throwIfAborted();
    }
    yield* await this.#withTarget(batch);
    this.#tell(doing, seen + batch.length);
  }

  /** All at once: a store that is read as a whole is read once then. */
  async #withTarget(batch: readonly Omit<Pair, "there">[]): Promise<readonly Pair[]> {
    const found = await Promise.all(batch.map(({ record }) => this.#to.store.read(record.name)));
    return batch.map((half, index) => ({ ...half, there: found[index] as Snapshot }));
  }

  async #refuseDamage(): Promise<void> {
    for (const { location, recovery } of [this.#from, this.#to]) {
      const damage = await recovery?.inspect();
      if (damage == null) continue;
      const what = `The registry ${location} was damaged (${damage.what}), and names may be missing`;
      throw new RegistryError("damaged", `${what}: nothing was moved. See 'namehold -r ${location} recover'.`);
    }
  }

  async #write(parts: readonly ChangePart[], tokenFloor = 0): Promise<void> {
    this.#throwIfAborted();
    if (parts.length === 0 && tokenFloor === 0) return;
    const change: Change = { holder: this.#to.lockManager.holder, parts, tokenFloor };
    const result = await this.#to.store.commit(change);
    if (result.kind === "done") return;
    if (result.kind === "unknown") {
      const what = "Whether the last entries were written is not known. Repeat the move: it goes on where it ended.";
      throw new RegistryError("outcome-unknown", what, { cause: result.cause });
    }
    const name = parts.find((part) => snapshotOf(result.snapshots, part.name).record !== null)?.name;
    const which = name === undefined ? "" : ` (${quoteName(name)}, for one)`;
    throw new RegistryError("busy", `The target was changed while the registry was moved${which}. Repeat the move.`);
  }

  #tell(doing: MigrateStep, done: number): void {
    this.#options.onProgress?.(doing, done);
  }

  #throwIfAborted(): void {
    const { signal } = this.#options;
    if (signal?.aborted !== true) return;
    throw new NameholdError(
      "aborted",
      "The move was cancelled. The source is as it was; what is in the target by now stays. Repeat the move: it goes on where it ended.",
      {
        cause: signal.reason,
      },
    );
  }
}

interface Pair {
  readonly record: EntryRecord;
  /** In the source. */
  readonly snapshot: Snapshot;
  /** In the target. */
  readonly there: Snapshot;
}

/** Of entries in any order. */
class EntrySum {
  #sum = 0n;

  add(record: EntryRecord): void {
    const digest = createHash("sha256")
      .update(JSON.stringify([record.name, contentOf(record)]))
      .digest("hex");
    this.#sum = BigInt.asUintN(256, this.#sum + BigInt(`0x${digest}`));
  }

  toString(): string {
    return this.#sum.toString(16).padStart(64, "0");
  }
}

/** As `isSameHold` tells holds apart. */
function keyOf({ name, holder, since, token }: PastHold): string {
  return JSON.stringify([name, holder.instance, since, token]);
}

/** What a move must carry over; the rest changes with every claim. */
function contentOf({ source }: EntryRecord): string {
  return editEntry(source, { lock: null, lastSeen: wallMs(0) });
}

function nothingToMove(from: Registry): RegistryError {
  return new RegistryError(
    "not-found",
    `${missingRegistry(from.location) ?? `There are no entries in ${from.location}.`} Nothing was moved. Is it the right one?`,
  );
}

const HOLDER_REMEDIES = {
  "the source": " Stop its holder first, or force the move: the holder is then told to stop.",
  "the target": " Stop its holder, and repeat the move.",
} as const;

function refuseHeld(
  name: string,
  { lock, decided }: Pick<LockState & { readonly kind: "held" }, "lock" | "decided">,
  where: keyof typeof HOLDER_REMEDIES,
): RegistryLockError {
  const held = heldError(name, lock, decided);
  // What is held back has no holder that could be stopped.
  const remedy = lock.holderInstance === RECOVERY_INSTANCE ? "" : HOLDER_REMEDIES[where];
  return new RegistryLockError(
    "held",
    `The registry cannot be moved: in ${where}, ${held.message}${remedy}`,
    held.details,
  );
}

function refuseOtherId({ name, entry }: EntryRecord, target: EntryRecord, to: Registry): RegistryError {
  return new RegistryError(
    "already-exists",
    `${quoteName(name)} has the ID ${entry.id}, but in ${to.location} it has ${target.entry.id}. Rename or remove one of them first. Nothing was moved.`,
    { name },
  );
}

function refuseDiffering(names: readonly string[], to: Registry): RegistryError {
  const told = names.slice(0, TOLD_MAX).map(quoteName).join(", ");
  const more = names.length > TOLD_MAX ? ` and ${names.length - TOLD_MAX} more` : "";
  return new RegistryError(
    "already-exists",
    `${to.location} has other contents for ${told}${more} (under the same IDs). Nothing was moved. Force the move to replace them.`,
  );
}

function changedMeanwhile(from: Registry): RegistryError {
  return new RegistryError(
    "busy",
    `${from.location} was changed while it was moved. Stop what still uses it, and repeat the move.`,
  );
}
