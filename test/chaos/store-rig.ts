import type { FinalState } from "./history.ts";

/** What the chaos suite must know of a kind of store. A new one is an object of these, named in stores.ts. */
export interface StoreRig {
  /** Whether its files lie on a disk that the suite can fill. */
  readonly isOnDisk: boolean;
  /** Whether Python's processes can share it. */
  readonly isPythons: boolean;
  /** As short as the store allows: whatever goes wrong takes some of these to show. */
  readonly ttlMs: number;
  readonly heartbeatMs: number;
  /**
   * Makes an empty registry.
   *
   * @param directory exists, is empty and is its own; for files that a full disk is to hit
   * @param scratch the same, for all else
   */
  open(directory: string, scratch: string): Promise<RegistryUnderTest>;
}

export interface RegistryUnderTest extends AsyncDisposable {
  /** As `openRegistry` takes it, in any process. */
  readonly location: string;
  /** Of another registry of the same kind, which excludes nobody in this one. */
  readonly otherLocation: string;
  /** What is in it when all workers are gone. Throws when it is damaged. */
  finalState(): Promise<FinalState>;
}
