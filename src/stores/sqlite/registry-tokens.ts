import { join } from "node:path";
import { RESERVED_AHEAD, reservedTokens, reserveTokens } from "../machine/token-ceiling.js";

/**
 * The reservation of tokens, beside the database so that it outlives a database that is put back from a backup. Known
 * here without a look at it each time.
 *
 * @see docs/SPEC.md#G3
 */
export class RegistryTokens {
  readonly #path: string;
  #reserved = 0;

  constructor(holdersDirectory: string) {
    this.#path = join(holdersDirectory, "token-ceiling");
  }

  /** Makes sure that this token lies below a reservation that is on the disk. */
  reserve(token: number): void {
    if (token <= this.#reserved) return;
    reserveTokens(this.#path, token);
    this.#reserved = reservedTokens(this.#path);
  }

  /**
   * Above which tokens go on. A power loss may have taken the last transactions, and a restored backup many: whichever it
   * was, no token beyond the reservation was given.
   *
   * @param last the last token that the database knows
   * @param isSameBoot whether the database was written since the machine started
   */
  floor(last: number, isSameBoot: boolean): number {
    const reserved = reservedTokens(this.#path);
    const isMissingSome = !isSameBoot || last < reserved - RESERVED_AHEAD;
    return isMissingSome ? reserved : 0;
  }
}
