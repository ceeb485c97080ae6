import type { Ending, PastHold } from "../../core/history.js";
import type { WallMs } from "../../core/timing.js";
import type { Lock } from "./row.js";

interface EndedLock {
  readonly name: string;
  readonly id: string;
  readonly lock: Lock;
  readonly until: WallMs;
  readonly ending: Ending;
}

export function pastHold({ name, id, lock, until, ending }: EndedLock): PastHold {
  const { instance, pid, host } = lock.holder;
  return {
    name,
    id,
    holder: { instance, pid, host },
    token: lock.token,
    since: lock.acquiredAt,
    lastHeartbeat: lock.beat.wallAt,
    until,
    ending,
    observed: false,
  };
}
