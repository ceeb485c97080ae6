import type { Holder } from "../../core/entry.js";
import type { ChangePart, Store } from "../../stores/store.js";
import type { Bench } from "./bench.js";

/** What the contract suite needs to know of a store in order to run over it. */
export interface StoreHarness {
  /** The store's name, for the titles. */
  readonly name: string;
  /** The TTL of holders, in milliseconds. Where `elapse` really waits, a second or so. Default 30 000. */
  readonly ttlMs?: number;
  /** How long a case waits in real time for what should happen by itself, in milliseconds. Default 5 000. */
  readonly patienceMs?: number;
  /** How long, in real time, a watch may still be telling of an earlier change, in milliseconds. Default 50. */
  readonly tellMs?: number;
  /**
   * The cases that cannot hold here, by title, each with the reason. They are run all the same, and must fail: a reason
   * that is out of date is found out.
   */
  readonly unsupported?: Readonly<Record<string, string>>;
  /** New and empty, for one case. */
  open(): Promise<StoreFixture>;
}

export interface StoreFixture {
  readonly store: Store;
  /** A further handle on the same data, as another process would open it. */
  another(): Promise<Store>;
  /** Lets `ms` milliseconds go by for the store: by advancing its clock, or by waiting. */
  elapse(ms: number): Promise<void>;
  /** Needed where `capabilities.deathProof` is true: a process that can be killed. */
  spawn?(): Promise<MortalProcess>;
  /** What stands in a backup that a commit was answered with. Needed where that is no file's path. */
  readBackup?(backup: string): Promise<string>;
  /** Closes all handles and removes the data. */
  dispose(): Promise<void>;
}

/** A process of its own, or what counts as one for the store. */
export interface MortalProcess {
  readonly holder: Holder;
  /** Commits in the name of `holder`. Rejects when that is not answered `done`. */
  commit(...parts: readonly ChangePart[]): Promise<void>;
  /** Ends it without letting it do anything. Resolves when it is gone. */
  kill(): Promise<void>;
}

export interface ContractCase {
  /** A sentence of behaviour, with the guarantees that it serves. */
  readonly title: string;
  run(bench: Bench): Promise<void>;
}
