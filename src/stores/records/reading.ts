import type { MonotonicMs, WallMs } from "../../core/timing.js";

/** One moment, on all clocks. */
export interface Reading {
  readonly wall: WallMs;
  readonly monotonic: MonotonicMs;
  /** Whose scale `monotonic` is on. */
  readonly clock: string;
}
