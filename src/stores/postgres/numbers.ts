import type { WallMs } from "../../core/timing.js";
import { nextToken } from "../../core/token.js";

/**
 * Tokens and versions of one change, of one row of rising numbers on the scale of the server's wall clock in microseconds. A
 * name's version is never below a token of it, so that the next one is above them all; the floor is above those of names
 * that are gone. That nothing has come in between is checked by the server.
 *
 * @see docs/SPEC.md#G3
 */
export class Numbers {
  readonly #wall: WallMs;
  readonly #given = new Set<number>();
  #last: number;

  /** @param above every number is greater */
  constructor(above: number, wall: WallMs) {
    this.#last = above;
    this.#wall = wall;
  }

  next(): number {
    this.#last = nextToken(this.#last, this.#wall);
    this.#given.add(this.#last);
    return this.#last;
  }

  /** Whether the number was given out here. */
  isOurs(number: number): boolean {
    return this.#given.has(number);
  }

  /** The least and the greatest that were given out; nothing when none was. */
  get range(): { readonly lowest?: number; readonly highest?: number } {
    if (this.#given.size === 0) return {};
    return { lowest: Math.min(...this.#given), highest: Math.max(...this.#given) };
  }
}
