import { type PresenceReading, probePresence } from "../../platform/presence-probe.js";
import type { ClockReading } from "./clock-note.js";
import type { View } from "./work.js";

/** By the moment at which the files were read: a turn of many changes is one moment. */
const LOOKS = new WeakMap<ClockReading, Map<string, PresenceReading>>();

/**
 * What the kernel tells of a holder, asked once for each reading of the files. In a turn nobody beats, and a holder that
 * dies meanwhile is taken for living, which harms nobody.
 *
 * @throws NameholdError when the presences of holders cannot be looked at
 */
export function lookFor(
  { reading }: Pick<View, "reading">,
  holdersDirectory: string,
  instance: string,
): PresenceReading {
  const looks = LOOKS.get(reading) ?? new Map<string, PresenceReading>();
  LOOKS.set(reading, looks);
  const known = looks.get(instance);
  if (known !== undefined) return known;
  const found = probePresence(holdersDirectory, instance, reading.monotonic);
  looks.set(instance, found);
  return found;
}

/** To be told when a holder's presence has been made. */
export function lookAnew({ reading }: Pick<View, "reading">, instance: string): void {
  LOOKS.get(reading)?.delete(instance);
}
