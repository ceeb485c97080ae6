/** How a hold ended, for the history, from what was known when it did. */
import { type Ending, revokedBy } from "../core/history.js";
import type { LockState } from "../core/lock-rules.js";
import type { Loss, Revocation } from "../core/record.js";

/** Of a lock that was judged to be nobody's any more. */
export function endingOf({ why }: { readonly why: (LockState & { readonly kind: "free" })["why"] }): Ending {
  return { how: why === "dead" ? "crashed" : "silent" };
}

/**
 * Of a lock that its holder gives up, after it was told that it had lost it (or not).
 *
 * @param revocation the lock's mark, of which its holder may not have been told
 */
export function endingAfter(loss: Loss | null, revocation: Revocation | null): Ending {
  if (loss === null || loss.reason === "closed")
    return revocation === null ? { how: "released" } : revokedBy(revocation);
  if (loss.reason === "expired")
    return loss.detail === undefined ? { how: "silent" } : { how: "silent", detail: loss.detail };
  // The hold of the old name has ended as `renamed`; that of the new one is ended by the same hand.
  if (loss.reason === "renamed") return { how: "revoked", detail: "renamed" };
  return loss.detail === undefined ? { how: "revoked" } : { how: "revoked", detail: loss.detail };
}
