import { NameholdError } from "./errors.js";
import { quoteName } from "./name.js";
import type { WallMs } from "./timing.js";

/**
 * The next fencing token: above every earlier one, and on the scale of the wall clock in microseconds, so that it
 * still rises when the record of the last one is lost. One scale for all stores.
 *
 * @param last the last token that is known, 0 for none
 * @throws NameholdError `storage-failed` when the safe integers are used up (a clock beyond the year 2255)
 * @see docs/SPEC.md#G3
 */
export function nextToken(last: number, now: WallMs): number {
  const token = Math.max(last + 1, Math.floor(now * 1000));
  if (!Number.isSafeInteger(token)) {
    throw new NameholdError(
      "storage-failed",
      `No fencing token above ${last} can be made: it would not be a safe integer. Check the machine's clock.`,
    );
  }
  return token;
}

/**
 * A guarded resource's memory of the highest token that it has seen, name by name. Keep one beside the resource, and
 * call it before each guarded step; where the resource outlives the process, keep the token with its data instead
 * (docs/fencing.md).
 *
 * @see docs/SPEC.md#G3
 */
export class Fence {
  readonly #highest = new Map<string, number>();

  /**
   * Lets the holder with this token pass, and all earlier ones no more.
   *
   * @throws NameholdError `fenced` when a later holder has been here; `invalid-input` when the token is none
   */
  assertFence(name: string, token: number): void {
    if (!Number.isSafeInteger(token) || token < 0) {
      throw new NameholdError("invalid-input", `A fencing token is a safe integer, not ${String(token)}.`, { name });
    }
    const highest = this.#highest.get(name) ?? -1;
    if (token < highest) {
      throw new NameholdError(
        "fenced",
        `Refused for ${quoteName(name)}: token ${token} is older than ${highest}, so a later holder has taken over. Stop.`,
        { name },
      );
    }
    this.#highest.set(name, token);
  }
}
