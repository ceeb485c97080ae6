import type { RegistryLock } from "./entry.js";
import { RegistryLockError } from "./errors.js";
import { heldBy } from "./lock-rules.js";
import { quoteName } from "./name.js";
import { later, type WallMs } from "./timing.js";

/** An ID that would come to a name while somebody may still act under it. */
export interface KeptId {
  readonly id: string;
  readonly name: string;
  /** The name that was taken from its holder, with the lock on it. */
  readonly former: string;
  readonly lock: RegistryLock;
  readonly lapsesInMs: number;
  readonly now: WallMs;
}

/** The error of who gives it to the name. */
export function keptIdError({ id, name, former, lock, lapsesInMs, now }: KeptId): RegistryLockError {
  const { holderHost, holderPid, acquiredAt } = lock;
  const seconds = Math.ceil(lapsesInMs / 1_000);
  return new RegistryLockError(
    "held",
    `${quoteName(name)} would have the ID ${id}, under which ${holderHost} (PID ${holderPid}) may still act as ${quoteName(former)}: it held that name, and may not know yet that it was taken away. Stop it, or try again in ${seconds} s.`,
    { name, heldBy: heldBy(lock), since: acquiredAt, until: later(now, lapsesInMs) },
  );
}
