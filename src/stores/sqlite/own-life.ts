import type { Holder } from "../../core/entry.js";
import { NameholdError } from "../../core/errors.js";
import { Presence } from "../../platform/presence.js";
import type { Life } from "../records/draft.js";
import { OwnLocks } from "../records/own-locks.js";
import { endLife, sweepLives } from "./lives.js";
import type { Transaction } from "./transaction.js";

/**
 * The life of one holder of this store: its presence on the file system, its row in the database, its locks.
 *
 * It begins before its first lock, or its first place in a queue, and what an earlier life of the same instance has left
 * ends with that: that its presence could be replaced proves it dead.
 */
export class OwnLife {
  readonly holder: Holder;
  readonly locks = new OwnLocks();
  #presence: Presence | undefined;
  #life: Life | undefined;
  /** Whether the row may be in the database, though it is not known here: the outcome of its making is not known. */
  #mayExist = false;

  constructor(holder: Holder) {
    if (!holder.instance.isWellFormed()) {
      throw new NameholdError("invalid-input", "The instance id has a lone surrogate in it. Use another one.");
    }
    this.holder = holder;
  }

  /** Null before its row is there. */
  get life(): Life | null {
    return this.#life ?? null;
  }

  get presence(): Presence | undefined {
    return this.#presence;
  }

  /** @throws NameholdError `held` when a process of this very instance lives */
  ensure(tx: Transaction): Life {
    const directory = tx.connection.holdersDirectory;
    this.#presence ??= Presence.create(directory, this.holder, { nowMs: tx.reading.monotonic });
    this.#life ??= this.#adopt(tx) ?? this.#begin(tx);
    return this.#life;
  }

  /** Somebody may have deleted the directory of presences. */
  keepPresence(tx: Transaction): void {
    if (this.#presence === undefined || this.#presence.isInPlace()) return;
    this.#presence.close();
    this.#presence = undefined;
    this.#presence = Presence.create(tx.connection.holdersDirectory, this.holder, { nowMs: tx.reading.monotonic });
  }

  /**
   * One sign of life.
   *
   * @param forAll whether it refreshes all locks that follow the beats
   * @returns the life with its new pulse; null when the row is gone: then the life was ended by somebody else
   */
  beat(tx: Transaction, forAll: boolean): Life | null {
    const before = this.#life;
    if (before === undefined) return null;
    const { wall, monotonic } = tx.reading;
    const { changes } = forAll ? tx.sql.beat.run(monotonic, wall, before.n) : tx.sql.beatForFew.run(before.n);
    if (changes === 0) {
      this.forgetRow();
      return null;
    }
    const beat = before.pulse.beat + 1;
    const pulse = forAll ? { ...before.pulse, beat, at: monotonic, wallAt: wall } : { ...before.pulse, beat };
    this.#life = { ...before, pulse };
    tx.onSettled((outcome) => {
      if (outcome !== "committed") this.#lookAgain();
    });
    return this.#life;
  }

  /** The row and all that hung on it are gone: the next lock begins a new life. */
  forgetRow(): void {
    this.#life = undefined;
    this.#mayExist = false;
    this.locks.clear();
  }

  /** Gives the presence up and deletes its file. */
  removePresence(): void {
    this.#presence?.remove();
    this.#presence = undefined;
  }

  /** Lets go of the presence: others then see this holder as dead. */
  closePresence(): void {
    this.#presence?.close();
    this.#presence = undefined;
  }

  #begin(tx: Transaction): Life {
    const { instance } = this.holder;
    const { wall, monotonic, clock } = tx.reading;
    const [earlier] = tx.sql.lifeOf.get(instance) ?? [];
    if (earlier !== undefined) endLife(tx, earlier);
    sweepLives(tx);
    const { lastInsertRowid } = tx.sql.insertHolder.run(instance, clock, monotonic, wall);
    tx.onSettled((outcome) => {
      if (outcome === "rolled-back") this.#life = undefined;
      else if (outcome === "unknown") this.#lookAgain();
    });
    return { n: Number(lastInsertRowid), instance, pulse: { beat: 1, at: monotonic, wallAt: wall, clock } };
  }

  /** What the row says is not known any more, or whether there is one. */
  #lookAgain(): void {
    this.#life = undefined;
    this.#mayExist = true;
  }

  #adopt(tx: Transaction): Life | undefined {
    if (!this.#mayExist) return undefined;
    const row = tx.sql.ownLife.get(this.holder.instance);
    if (row === undefined) return undefined;
    const [n, clock, beat, at, wallAt] = row;
    return { n, instance: this.holder.instance, pulse: { clock, beat, at, wallAt } };
  }
}
