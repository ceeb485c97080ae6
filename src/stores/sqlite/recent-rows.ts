import type { Looked } from "../records/rows.js";

/** A row takes about a kilobyte. */
const NAMES_MAX = 8_192;

/**
 * What the transactions of one connection have read and written last, for as long as nobody else writes: who claims and
 * releases the same names need not look at them again. Asked and changed inside write transactions alone.
 *
 * Of names, only those that nobody waits for and no former lock stands beside: those change by what is written to the name
 * itself, or by a heartbeat, or by the end of a life, which forget them all.
 */
export class RecentRows {
  #dataVersion: number | undefined;
  /** Where the log of changes ends. */
  lastLogged = 0;
  readonly #names = new Map<string, Looked>();

  /** @returns whether what is known still holds */
  isOf(dataVersion: number): boolean {
    return this.#dataVersion === dataVersion;
  }

  beginAnew(dataVersion: number, lastLogged: number): void {
    this.#names.clear();
    this.#dataVersion = dataVersion;
    this.lastLogged = lastLogged;
  }

  get(name: string): Looked | undefined {
    return this.#names.get(name);
  }

  put(looked: Looked): void {
    const { name, row, former, queue } = looked;
    if (row === null || row.waiters > 0 || former !== null || queue.length > 0) {
      this.#names.delete(name);
      return;
    }
    if (this.#names.size >= NAMES_MAX) this.#names.clear();
    this.#names.set(name, looked);
  }

  forgetNames(): void {
    this.#names.clear();
  }

  /** What was written did not come about, or may not have. */
  forget(): void {
    this.#dataVersion = undefined;
  }
}
