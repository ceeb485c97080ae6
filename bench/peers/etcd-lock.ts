/** etcd's own lock service over its JSON gateway: a lease a process, kept alive; waiters queue in the server. */
import type { ConnectOptions, Locks, Peer } from "./peer.ts";

const TTL_MS = 10_000;

export const etcdLock: Peer = {
  id: "etcd-lock",
  title: "etcd lock (JSON gateway)",
  needs: "etcd",
  includes: { durability: "raft log synced at each write", history: false, presence: false, token: true },
  waits: "in the server's queue",
  // It serves the watch of a new waiter at the next turn of a loop of 100 ms.
  pollMs: 100,
  lossIsTold: true,
  floor: "calibration/etcd-transaction",
  death: {
    kind: "ttl",
    usual: { ttlMs: TTL_MS, heartbeatMs: TTL_MS / 3, why: "the default of etcdctl lock: 10 s" },
    shortest: {
      ttlMs: 2_000,
      heartbeatMs: 660,
      why: "the least that it grants with its default election timeout: 2 s",
    },
  },
  locate: (_directory, url) => url,
  connect,
};

/** A lease and the names that are asked for under it: to the server, two askers with one lease are one. */
interface Lease {
  readonly id: string;
  readonly names: Set<string>;
  alive: boolean;
}

async function connect({ location, ttlMs = TTL_MS, heartbeatMs = ttlMs / 3 }: ConnectOptions): Promise<Locks> {
  const leases: Lease[] = [];
  const timers = new Set<NodeJS.Timeout>();
  await grantLease();
  return {
    async acquire(name) {
      const lease = leases.find((one) => one.alive && !one.names.has(name)) ?? (await grantLease());
      lease.names.add(name);
      const { key } = await post<{ key: string }>("/v3/lock/lock", { name: base64(name), lease: lease.id });
      let held = true;
      return {
        get held() {
          return held && lease.alive;
        },
        async release() {
          held = false;
          await post("/v3/lock/unlock", { key });
          lease.names.delete(name);
        },
      };
    },
    async close() {
      for (const timer of timers) clearInterval(timer);
      for (const { id } of leases) await post("/v3/lease/revoke", { ID: id });
    },
  };

  async function grantLease(): Promise<Lease> {
    const { ID: id } = await post<{ ID: string }>("/v3/lease/grant", { TTL: Math.ceil(ttlMs / 1_000) });
    const lease: Lease = { id, names: new Set(), alive: true };
    leases.push(lease);
    timers.add(setInterval(() => void keepAlive(lease), heartbeatMs));
    return lease;
  }

  async function keepAlive(lease: Lease): Promise<void> {
    try {
      const { result } = await post<{ result: { TTL?: string } }>("/v3/lease/keepalive", { ID: lease.id });
      // Of a lease that is over it says no TTL, or none left.
      lease.alive &&= Number(result.TTL ?? 0) > 0;
    } catch {
      // The server is gone; its holder believes that the lock is too.
      lease.alive = false;
    }
  }

  async function post<T>(path: string, body: object): Promise<T> {
    const response = await fetch(location + path, { method: "POST", body: JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`etcd refused ${path}: ${text.trim()}`);
    return JSON.parse(text) as T;
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
