/** What a claim in PostgreSQL cannot be cheaper than: one conditional UPDATE of one row, on the disk when it is answered. */
import { nameAt } from "../harness/protocol.ts";
import type { Calibration } from "./calibration.ts";

const TABLE = `CREATE TABLE bare (name text COLLATE "C" PRIMARY KEY, holder text, version bigint NOT NULL, at timestamptz)
  WITH (fillfactor = 70)`;
/** Prepared once, which no store that works through a transaction pooler can do: this is the limit. */
const UPDATE = {
  name: "update",
  text: "UPDATE bare SET holder = $3, version = version + 1, at = clock_timestamp() WHERE name = $1 AND version = $2",
};

export const barePostgres: Calibration = {
  id: "calibration/postgres-update",
  title: "PostgreSQL, one conditional UPDATE",
  what: "a prepared statement over pg, autocommit, WAL synced",
  needs: "postgres",
  locate: (_directory, url) => url,
  async start({ location }) {
    const { default: pg } = await import("pg");
    const client = new pg.Client({ connectionString: location });
    await client.connect();
    const versions = new Map<string, number>();
    return {
      async fill(population) {
        await client.query("DROP TABLE IF EXISTS bare");
        await client.query(TABLE);
        const names = Array.from({ length: population }, (_, index) => nameAt(index));
        await client.query("INSERT INTO bare SELECT name, NULL, 1 FROM unnest($1::text[]) AS name", [names]);
        for (const name of names) versions.set(name, 1);
      },
      async run(name) {
        const version = versions.get(name) ?? 0;
        const { rowCount } = await client.query({ ...UPDATE, values: [name, version, "holder"] });
        if (rowCount !== 1) throw new Error(`${name} was changed by somebody else.`);
        versions.set(name, version + 1);
      },
      close: () => client.end(),
    };
  },
};
