import type { Locks } from "../peers/peer.ts";
import { isPast, nowNs, sleepUntil } from "./moment.ts";
import type { ChainArgs, Link } from "./protocol.ts";

/** All participants want the same name, give it back at once, and ask again: each grant is a hand-off. */
export async function chain(locks: Locks, args: ChainArgs): Promise<{ links: readonly Link[] }> {
  const { name, participants, startAtNs, stopAtNs } = args;
  const links: Link[] = [];
  await sleepUntil(startAtNs);
  const take = async (participant: number): Promise<void> => {
    while (!isPast(stopAtNs)) {
      const askedNs = nowNs();
      const grip = await locks.acquire(name);
      const grantedNs = nowNs();
      links.push({ participant, askedNs, grantedNs, sentNs: nowNs() });
      await grip.release();
    }
  };
  await Promise.all(Array.from({ length: participants }, (_, index) => take(index)));
  return { links };
}
