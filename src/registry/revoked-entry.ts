import type { RegistryLock } from "../core/entry.js";
import { NameholdError, RegistryError } from "../core/errors.js";
import { heldBy, heldError, type LockState, RECOVERY_INSTANCE } from "../core/lock-rules.js";
import { quoteName } from "../core/name.js";
import type { NamedEntry } from "../core/named-entry.js";

const REASON_LENGTH_MAX = 1024;

/** A name after its revocation. */
export interface RevokedEntry extends NamedEntry {
  /** Whose lock was taken away at once; null otherwise. */
  readonly former: FormerHolder | null;
}

/** One whose lock was taken away, and who may not know it yet. */
export interface FormerHolder {
  readonly lock: RegistryLock;
  /** As it was judged just before: where it was held, the former holder may act until it would have lapsed. */
  readonly state: LockState;
  /** False for one that takes no token (a Python process): nothing tells it to stop. */
  readonly isTold: boolean;
}

/** @throws NameholdError `invalid-input` */
export function checkReason(reason: unknown): void {
  if (typeof reason === "string" && reason.length <= REASON_LENGTH_MAX) return;
  throw new NameholdError(
    "invalid-input",
    `The reason of a revocation is a text of at most ${REASON_LENGTH_MAX} characters.`,
  );
}

/** The error of who would revoke the lock of a holder that nothing tells. */
export function cannotTell(name: string, lock: RegistryLock): NameholdError {
  if (lock.holderInstance === RECOVERY_INSTANCE) return heldError(name, lock, true);
  return new RegistryError(
    "unsupported",
    `${quoteName(name)} is held by ${lock.holderHost} (PID ${lock.holderPid}), which takes no fencing token and cannot be told (a Python process). End that process, or revoke at once ('now'), knowing that both may act for a while.`,
    { name, heldBy: heldBy(lock) },
  );
}
