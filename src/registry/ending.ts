/** How a hold ended, for the history, from what was known when it did. */
import type { Ending } from "../core/history.js";
import type { LockState } from "../core/lock-rules.js";
import type { Loss } from "../core/record.js";

/** Of a lock that was judged to be nobody's any more. */
export function endingOf({ why }: { readonly why: (LockState & { readonly kind: "free" })["why"] }): Ending {
  return { how: why === "dead" ? "crashed" : "silent" };
}

/** Of a lock that its holder gives up, after it was told that it had lost it (or not). */
export function endingAfter(loss: Loss | null): Ending {
  if (loss === null || loss.reason === "closed") return { how: "released" };
  if (loss.reason === "expired") return { how: "silent" };
  // Of a renamed lock, the hold of the old name has ended as `renamed`, and that of the new one by the same hand.
  return loss.detail === undefined ? { how: "revoked" } : { how: "revoked", detail: loss.detail };
}
