import { NameholdError } from "../../core/errors.js";
import type { Libc } from "./libc.js";

/** @returns reads a clock of clock_gettime(2), in milliseconds */
export function clockReader(libc: () => Libc, clockId: number): () => number {
  /** Seconds and nanoseconds, reused by every reading. */
  let timespec: BigInt64Array | Int32Array | undefined;
  return () => {
    const c = libc();
    timespec ??= c.longBytes === 8 ? new BigInt64Array(2) : new Int32Array(2);
    if (c.clockGettime(clockId, timespec) !== 0) {
      throw new NameholdError("unsupported", `The clock that counts suspended time cannot be read: ${c.errnoName()}.`);
    }
    return Number(timespec[0]) * 1e3 + Number(timespec[1]) / 1e6;
  };
}
