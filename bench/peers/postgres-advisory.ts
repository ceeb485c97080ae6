/** PostgreSQL's session-level advisory lock: gone with its connection, so one connection a held name. */
import type { Locks, Peer } from "./peer.ts";

const CONNECTIONS_MAX = 64;

export const postgresAdvisory: Peer = {
  id: "postgres-advisory",
  title: "PostgreSQL advisory lock",
  needs: "postgres",
  includes: { durability: "none: the server's memory", history: false, presence: true, token: false },
  waits: "in the server's queue",
  pollMs: 0,
  lossIsTold: true,
  floor: "calibration/loopback",
  death: { kind: "seen" },
  locate: (_directory, url) => url,

  async connect({ location }): Promise<Locks> {
    const { default: pg } = await import("pg");
    const pool = new pg.Pool({ connectionString: location, max: CONNECTIONS_MAX });
    // The server may be gone before its connections are.
    pool.on("error", () => undefined);
    return {
      async acquire(name) {
        const client = await pool.connect();
        await client.query({
          name: "lock",
          text: "SELECT pg_advisory_lock(hashtextextended($1, 0))",
          values: [name],
        });
        let held = true;
        return {
          get held() {
            return held;
          },
          async release() {
            held = false;
            await client.query({
              name: "unlock",
              text: "SELECT pg_advisory_unlock(hashtextextended($1, 0))",
              values: [name],
            });
            client.release();
          },
        };
      },
      async close() {
        await pool.end();
      },
    };
  },
};
