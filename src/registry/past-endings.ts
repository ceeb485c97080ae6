import type { Hold } from "../core/changes.js";
import { isNameholdError } from "../core/errors.js";
import type { Ending, PastHold } from "../core/history.js";
import type { Clock } from "../core/timing.js";
import type { Store } from "../stores/store.js";

/** What has just ended stands near the top. */
const HOLDS_READ_MAX = 1_000;
/** A store may write the history a moment after the lock is gone. */
const ASK_AGAIN_MS = 25;
const ASKED_MAX = 5;

/** How each of these holds has ended, as far as the store remembers. */
export async function pastEndings(
  { store, clock }: { readonly store: Store; readonly clock: Clock },
  holds: ReadonlySet<Hold>,
): Promise<ReadonlyMap<Hold, Ending>> {
  const endings = new Map<Hold, Ending>();
  try {
    for (let asked = 1; holds.size > 0; asked += 1) {
      await readEndings(store, holds, endings);
      // Of holders without a token, nobody writes at once how they ended.
      const isComplete = [...holds].every((hold) => endings.has(hold) || hold.token === null);
      if (isComplete || asked === ASKED_MAX) break;
      await new Promise<void>((resolve) => clock.setTimer(ASK_AGAIN_MS, resolve));
    }
  } catch (error) {
    // The change itself is told all the same.
    if (!isNameholdError(error)) throw error;
  }
  return endings;
}

async function readEndings(store: Store, holds: ReadonlySet<Hold>, endings: Map<Hold, Ending>): Promise<void> {
  let read = 0;
  for await (const past of store.history({})) {
    for (const hold of holds) if (!endings.has(hold) && isOf(hold, past)) endings.set(hold, past.ending);
    read += 1;
    if (endings.size === holds.size || read === HOLDS_READ_MAX) break;
  }
}

/** A token is given once, under whatever name the entry goes by then. */
function isOf(hold: Hold, { name, holder, token, since }: PastHold): boolean {
  if (holder.instance !== hold.holder.instance) return false;
  return hold.token === null ? name === hold.name && since === hold.since : token === hold.token;
}
