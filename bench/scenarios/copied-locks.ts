import pg from "pg";

/** Locks that stand in the tables of the PostgreSQL store, made faster than by claims. */
export interface LockedPlace {
  /** With `?schema=`. */
  readonly location: string;
  /** Of each lock that is there. */
  readonly copies: number;
}

/**
 * Copies every lock under other names and IDs, with its holder: a million would take minutes by changes, and to whom a name's
 * lock belongs is all that a heartbeat could ever touch.
 */
export async function copyLocks({ location, copies }: LockedPlace): Promise<void> {
  await withTables(location, async (client, schema) => {
    const { rows } = await client.query<{ column_name: string }>(
      "SELECT column_name FROM information_schema.columns WHERE table_schema = $1 AND table_name = 'entries'",
      [schema],
    );
    const columns = rows.map((row) => row.column_name);
    const changed: Readonly<Record<string, string>> = {
      name: "e.name || '_' || copy",
      id: "new_id",
      source: "replace(e.source, e.id, new_id)",
    };
    await client.query(
      `INSERT INTO "${schema}".entries (${columns.join(", ")})
      SELECT ${columns.map((column) => changed[column] ?? `e.${column}`).join(", ")}
      FROM (SELECT *, '01JE' || lpad((row_number() OVER ())::text, 22, '0') AS new_id
        FROM "${schema}".entries, generate_series(1, $1) AS copy) e`,
      [copies],
    );
    await client.query(`ANALYZE "${schema}".entries`);
    await client.query("CHECKPOINT");
  });
}

/** How many names have a lock whose holder's life is there. */
export async function countLocks(location: string): Promise<number> {
  return withTables(location, async (client, schema) => {
    const { rows } = await client.query<{ count: string }>(
      `SELECT count(*) FROM "${schema}".entries e JOIN "${schema}".lives l ON l.n = e.life WHERE e.follows`,
    );
    return Number(rows[0]?.count);
  });
}

async function withTables<T>(location: string, use: (client: pg.Client, schema: string) => Promise<T>): Promise<T> {
  const url = new URL(location);
  const schema = url.searchParams.get("schema") ?? "namehold";
  url.search = "";
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    return await use(client, schema);
  } finally {
    await client.end();
  }
}
