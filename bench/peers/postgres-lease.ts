/** A row with an expiry, as most write it: a conditional upsert to take it, one statement to refresh all of a process. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type ConnectOptions, type Locks, type Peer, SHORT_TIMES } from "./peer.ts";

const TTL_MS = 30_000;
const RETRY_MS = 20;
/** More were slower on two cores. */
const CONNECTIONS_MAX = 16;

const TABLE = `CREATE TABLE IF NOT EXISTS leases (
  name text PRIMARY KEY, holder text, token bigint NOT NULL, expires_at timestamptz NOT NULL)`;
const TAKE = `INSERT INTO leases VALUES ($1, $2, 1, now() + $3 * interval '1 ms')
  ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at, token = leases.token + 1
  WHERE leases.expires_at < now() RETURNING token`;
const GIVE_BACK = `UPDATE leases SET holder = NULL, expires_at = '-infinity' WHERE name = $1 AND holder = $2 AND token = $3`;
const REFRESH = `UPDATE leases SET expires_at = now() + $2 * interval '1 ms' WHERE holder = $1 AND expires_at >= now() RETURNING name`;

export const postgresLease: Peer = {
  id: "postgres-lease",
  title: "PostgreSQL lease row",
  needs: "postgres",
  includes: { durability: "WAL synced at each commit", history: false, presence: false, token: true },
  waits: `tries again every ${RETRY_MS} ms`,
  pollMs: RETRY_MS,
  lossIsTold: true,
  floor: "calibration/postgres-update",
  death: {
    kind: "ttl",
    usual: { ttlMs: TTL_MS, heartbeatMs: TTL_MS / 3, why: "no default: namehold's and MADSci's 30 s" },
    shortest: { ...SHORT_TIMES, why: "as short as namehold's own shortest in these tables" },
  },
  locate: (_directory, url) => url,
  connect,
};

async function connect({ location, ttlMs = TTL_MS, heartbeatMs = ttlMs / 3 }: ConnectOptions): Promise<Locks> {
  const { default: pg } = await import("pg");
  const pool = new pg.Pool({ connectionString: location, max: CONNECTIONS_MAX });
  pool.on("error", () => undefined);
  await createTable(pool);
  const holder = randomUUID();
  const held = new Set<string>();
  const refresh = async (): Promise<void> => {
    const asked = [...held];
    try {
      const { rows } = await pool.query<{ name: string }>({ name: "refresh", text: REFRESH, values: [holder, ttlMs] });
      const refreshed = new Set(rows.map((row) => row.name));
      for (const name of asked) if (!refreshed.has(name)) held.delete(name);
    } catch {
      // The server is gone; its holder believes so too.
      held.clear();
    }
    timer = setTimeout(() => void refresh(), heartbeatMs);
  };
  let timer = setTimeout(() => void refresh(), heartbeatMs);
  return {
    async acquire(name) {
      const token = await take(name);
      held.add(name);
      return {
        get held() {
          return held.has(name);
        },
        async release() {
          held.delete(name);
          const { rowCount } = await pool.query({ name: "give-back", text: GIVE_BACK, values: [name, holder, token] });
          if (rowCount !== 1) throw new Error(`${name} was not ours any more`);
        },
      };
    },
    async close() {
      clearTimeout(timer);
      await pool.end();
    },
  };

  async function take(name: string): Promise<string> {
    for (;;) {
      const { rows } = await pool.query<{ token: string }>({ name: "take", text: TAKE, values: [name, holder, ttlMs] });
      const token = rows[0]?.token;
      if (token !== undefined) return token;
      await sleep(RETRY_MS);
    }
  }
}

/** Of several that make the table at once, all but one may be told that it is there. */
async function createTable(pool: { query(text: string): Promise<unknown> }): Promise<void> {
  const UNIQUE_VIOLATION = "23505";
  await pool.query(TABLE).catch((error: unknown) => {
    if ((error as { code?: string }).code !== UNIQUE_VIOLATION) throw error;
  });
}
