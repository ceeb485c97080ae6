/**
 * What the store asks PostgreSQL for, as functions: each call is one statement, one round trip and one transaction, needs
 * no session, and is allowed to whoever may execute the function, without rights on the tables.
 *
 * Rows are locked in one order: entries by name, then lives. Each statement of a function sees what was committed before
 * it began (READ COMMITTED), so what is looked at after a lock was taken is up to date.
 */
import { createHash } from "node:crypto";
import { BEAT, FINISH, PRUNE, WATCH } from "./living-sql.js";
import { BACKUP, HOLDER_OF, LOOK, LOOKED, PAGE, PAST, USES_OF_IDS } from "./reading-sql.js";
import { ADOPT, BEGIN_WRITING, COMMIT, INCARNATION, WRITE_BESIDE, WRITE_ENTRIES, WRITE_QUEUES } from "./writing-sql.js";

/** Where everything is. */
export interface SqlPlace {
  /** The schema's name, quoted. */
  readonly s: string;
  /** Names the table that is there of the registry, as a text literal: its number is another one after a restore. */
  readonly table: string;
  /** Where the registry's queues count, as a text literal. */
  readonly places: string;
  /** What no schema's name has in it, for quotes around functions. */
  readonly quote: string;
  /** Where changes are told. */
  readonly channel: string;
}

export function placeOf(schema: string): SqlPlace {
  const s = `"${schema.replaceAll('"', '""')}"`;
  const channel = `namehold_${createHash("sha256").update(schema).digest("hex").slice(0, 16)}`;
  const literal = (name: string): string => `'${`${s}.${name}`.replaceAll("'", "''")}'`;
  return { s, channel, table: literal("registry"), places: literal("places"), quote: `$${channel}$` };
}

/** Those that the store calls, with their arguments. */
export const ENTRANCES = [
  "layout()",
  "look(c jsonb)",
  "commit(c jsonb)",
  "beat(c jsonb)",
  "finish(c jsonb)",
  "waits(given bigint)",
  "watch(c jsonb)",
  "page(after text, type text, rows integer)",
  "past(c jsonb)",
  "prune(given text)",
  "last_token()",
  "backup(given bigint)",
] as const;

/**
 * Whoever calls decides which operators and functions a name means, unless the function says so itself. The inner functions do not
 * act as the owner: one that is called from without can do no more than its caller.
 */
const AS_OWNER = "SECURITY DEFINER SET search_path = pg_catalog, pg_temp";

const NOW = "BEGIN RETURN floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint; END";

export function functionsIn(place: SqlPlace): string {
  const { s, quote } = place;
  const define = (head: string, result: string, body: string): string =>
    `CREATE OR REPLACE FUNCTION ${s}.${head} RETURNS ${result} LANGUAGE plpgsql VOLATILE
${ENTRANCES.some((entrance) => entrance === head) ? AS_OWNER : ""} AS ${quote}\n${body}\n${quote};
REVOKE ALL ON FUNCTION ${s}.${head} FROM PUBLIC;`;
  return [
    define("layout()", "integer", `BEGIN RETURN (SELECT r.layout FROM ${s}.registry r); END`),
    define("now_us()", "bigint", NOW),
    define("incarnation()", "text", INCARNATION(place)),
    define("adopt(given text)", "void", ADOPT(place)),
    define("begin_writing()", `${s}.registry`, BEGIN_WRITING(place)),
    define("holder_of(given text, recovered bigint)", "text", HOLDER_OF(place)),
    define("uses_of_ids(ids text[])", "json", USES_OF_IDS(place)),
    define("looked(names text[])", "json", LOOKED(place)),
    define("write_beside(c jsonb, t bigint)", "void", WRITE_BESIDE(place)),
    define("write_entries(c jsonb, t bigint, last_beat bigint)", "void", WRITE_ENTRIES(place)),
    define("write_queues(c jsonb, t bigint)", "void", WRITE_QUEUES(place)),
    define("look(c jsonb)", "json", LOOK(place)),
    define("commit(c jsonb)", "json", COMMIT(place)),
    define("beat(c jsonb)", "json", BEAT(place)),
    define("finish(c jsonb)", "void", FINISH(place)),
    define("waits(given bigint)", "void", `BEGIN UPDATE ${s}.lives SET waiting = ${s}.now_us() WHERE n = given; END`),
    define("watch(c jsonb)", "void", WATCH(place)),
    define("page(after text, type text, rows integer)", "json", PAGE(place)),
    define("past(c jsonb)", "json", PAST(place)),
    define("backup(given bigint)", "text", BACKUP(place)),
    define("prune(given text)", "void", PRUNE(place)),
    define(
      "last_token()",
      "bigint",
      `BEGIN RETURN greatest((SELECT floor FROM ${s}.registry), (SELECT max(version) FROM ${s}.entries), 0); END`,
    ),
  ].join("\n");
}
