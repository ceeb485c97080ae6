import { etcdLock } from "./etcd-lock.ts";
import { etcd3 } from "./etcd3.ts";
import { flock } from "./flock.ts";
import { madsci } from "./madsci.ts";
import { nameholdEtcd, nameholdJson, nameholdPostgres, nameholdSqlite, nameholdSqliteFull } from "./namehold.ts";
import { none } from "./none.ts";
import type { Peer } from "./peer.ts";
import { postgresAdvisory } from "./postgres-advisory.ts";
import { postgresLease } from "./postgres-lease.ts";
import { properLockfile } from "./proper-lockfile.ts";
import { redis, redisAof } from "./redis.ts";
import { redlock, redlockAof } from "./redlock.ts";

/** All that can be measured, ours first. */
const PEERS: readonly Peer[] = [
  nameholdJson,
  nameholdSqlite,
  nameholdSqliteFull,
  nameholdPostgres,
  nameholdEtcd,
  properLockfile,
  flock,
  redis,
  redisAof,
  redlock,
  redlockAof,
  postgresAdvisory,
  postgresLease,
  etcdLock,
  etcd3,
  madsci,
  none,
];

export function peerById(id: string): Peer {
  const peer = PEERS.find((one) => one.id === id);
  if (peer === undefined)
    throw new Error(`There is no peer ${id}. There are ${PEERS.map((one) => one.id).join(", ")}.`);
  return peer;
}
