/** How the schema comes about, and how older layouts become this one. */
import type { Client } from "pg";
import { RegistryError } from "../../core/errors.js";
import { ENTRANCES, functionsIn, type SqlPlace } from "./functions.js";
import { tablesIn } from "./tables.js";

/**
 * From version i to version i + 1 of the layout, in order. Each that changes what a function takes or answers gives it another name and
 * drops the old one: who knows the old layout alone then finds no function, asks for the layout, and is told to be updated; who
 * knows the new one finds none in an old registry, and brings it up to date.
 */
const MIGRATIONS: readonly ((place: SqlPlace) => string)[] = [
  (place) => `${tablesIn(place.s)}\n${functionsIn(place)}
INSERT INTO ${place.s}.registry (one, layout, floor, incarnation, adoptions, recovered, holdback_ms)
  VALUES (1, 1, 0, ${place.s}.incarnation(), 0, NULL, 30000);`,
];

const LAYOUT = MIGRATIONS.length;

/** What an owner runs for a role that may not make the schema itself. */
export function grantsFor(s: string, role: string): string {
  return `GRANT USAGE ON SCHEMA ${s} TO ${role}; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ${s} TO ${role};`;
}

/** What this user finds of the schema, as the catalogue tells everybody. */
export interface SchemaFacts {
  readonly role: string;
  /** How many of the functions there are. */
  readonly functions: number;
  /** Whether this user may execute them. */
  readonly isUsable: boolean;
}

/** @returns null when there is no such schema */
export async function factsOf(client: Client, { s }: SqlPlace): Promise<SchemaFacts | null> {
  const { rows } = await client.query(
    `SELECT quote_ident(current_user) AS role, count(p.oid)::int AS functions,
      has_schema_privilege(n.oid, 'USAGE') AND coalesce(bool_and(has_function_privilege(p.oid, 'EXECUTE')), true) AS "isUsable"
    FROM pg_namespace n LEFT JOIN pg_proc p ON p.pronamespace = n.oid AND p.proname = ANY ($2)
    WHERE '"' || replace(n.nspname, '"', '""') || '"' = $1 GROUP BY n.oid`,
    [s, ENTRANCES.map((head) => head.replace(/\(.*/, ""))],
  );
  return (rows[0] as SchemaFacts | undefined) ?? null;
}

/**
 * The layout that is there: 0 for none.
 *
 * @throws RegistryError `unsupported` for one that a newer namehold has made
 */
export async function layoutIn(client: Client, place: SqlPlace, location: string): Promise<number> {
  const facts = await factsOf(client, place);
  if (facts === null || facts.functions === 0) return 0;
  const { rows } = await client.query({ text: `SELECT ${place.s}.layout()`, rowMode: "array" });
  const [layout = 0] = (rows[0] ?? []) as number[];
  if (layout > LAYOUT) {
    throw new RegistryError(
      "unsupported",
      `${location} was made by a newer namehold (layout ${layout}; this one knows ${LAYOUT}). Update namehold: npm install namehold@latest`,
    );
  }
  return layout;
}

/** Makes the schema or brings it to the newest layout; one of many who do so at once does it, and the others wait. */
export async function makeSchema(client: Client, place: SqlPlace, location: string): Promise<void> {
  await client.query("BEGIN ISOLATION LEVEL READ COMMITTED");
  try {
    const { rows } = await client.query(
      "SELECT current_setting('server_encoding') AS encoding, current_setting('server_version_num')::int AS version",
    );
    checkServer(rows[0] as { encoding: string; version: number }, location);
    await client.query("SELECT pg_advisory_xact_lock(hashtext($1))", [`namehold ${place.s}`]);
    const layout = await layoutIn(client, place, location);
    // A schema that is there may be filled by who must not make one.
    if ((await factsOf(client, place)) === null) await client.query(`CREATE SCHEMA ${place.s}`);
    for (const migration of MIGRATIONS.slice(layout)) await client.query(migration(place));
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK").catch(() => undefined);
    throw error;
  }
}

const VERSION_MIN = 13;

function checkServer(
  { encoding, version }: { readonly encoding: string; readonly version: number },
  location: string,
): void {
  if (encoding !== "UTF8") {
    throw new RegistryError(
      "unsupported",
      `${location}: the database's encoding is ${encoding}, in which not every name can be kept. Use a database made with: createdb --encoding UTF8 --template template0`,
    );
  }
  if (version < VERSION_MIN * 10_000) {
    throw new RegistryError(
      "unsupported",
      `${location}: PostgreSQL ${VERSION_MIN} or newer is needed, and this is ${Math.floor(version / 10_000)}.`,
    );
  }
}
