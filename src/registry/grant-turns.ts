import type { EntryRecord } from "../core/record.js";

/**
 * One grant of a name at a time in one registry: a lock of ours that is found after an unknown outcome is then that of
 * the commit just made, or of a grant known here, and never that of another claim whose reply is still on its way.
 *
 * @see docs/SPEC.md#G2
 */
export class GrantTurns {
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #tokens = new Map<string, number>();
  /** Names of which a grant may have been written, or may yet be, though nobody was given a claim; by their tokens before it. */
  readonly #doubts = new Map<string, number>();

  /** Runs `grant` when earlier ones of the name have ended, however they ended. */
  async run<T>(name: string, grant: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(name) ?? Promise.resolve();
    const turn = before.then(
      () => grant(),
      () => grant(),
    );
    this.#turns.set(name, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(name) === turn) this.#turns.delete(name);
    }
  }

  /** To be told within its turn. By the entry's ID, which a rename does not change. */
  granted(id: string, token: number): void {
    this.#tokens.set(id, token);
  }

  /** To be told within its turn: its outcome is not known, and was not found by looking. @param tokenBefore 0 for none */
  doubt(name: string, tokenBefore: number): void {
    this.#doubts.set(name, tokenBefore);
  }

  /** Whether a lock of ours may be one that was granted to nobody. Certain within a turn only. */
  isDoubtful({ name, entry, token }: EntryRecord): boolean {
    const before = this.#doubts.get(name);
    return before !== undefined && token !== null && token > before && !this.isKnown(entry.id, token);
  }

  isKnown(id: string, token: number): boolean {
    return this.#tokens.get(id) === token;
  }
}
