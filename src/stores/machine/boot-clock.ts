import { bootId } from "../../platform/clock.js";
import { host } from "../../platform/host.js";

/**
 * The name of the clock that this process reads as monotonic: readings compare with those of others only under the same
 * name. `""` where that cannot be told; then they compare with nobody's.
 *
 * @see docs/SPEC.md#G7
 */
export function bootClockName(): string {
  cached ??= bootId() === "" ? "" : `${bootId()} ${host().namespaceOf("time")}`;
  return cached;
}

let cached: string | undefined;
