import type { Clock } from "../../core/timing.js";
import type { EtcdClient } from "./etcd-client.js";
import type { KeySpace } from "./keys.js";
import type { KnownKeys } from "./known-keys.js";
import type { WaitingLease } from "./waiting-lease.js";

/** What all operations of one store share. */
export interface Tools {
  readonly client: EtcdClient;
  readonly clock: Clock;
  readonly keys: KeySpace;
  readonly known: KnownKeys;
  readonly waiting: WaitingLease;
}
