/** What `doctor` looks at in a registry in PostgreSQL. */
import type { Client } from "pg";
import type { NameholdError } from "../../core/errors.js";
import type { Check, Examined, FixableFinding } from "../../core/finding.js";
import { isBehindPooler } from "./change-listener.js";
import type { Engine } from "./engine.js";
import { factsOf, grantsFor, layoutIn } from "./schema.js";

const VERSION_MIN = 13;
/** Of the usual TTL of 30 s, a heartbeat must not need a great part. */
const LATENCY_MS_MAX = 500;
const CLOCK_MS_MAX = 1_000;
const OLD_TRANSACTION_MS = 3_600_000;
const DEAD_ROWS_MIN = 50_000;
const LOOKS = 3;

interface ServerFacts {
  readonly version: string;
  readonly number: number;
  readonly encoding: string;
  readonly fsync: string;
  readonly pages: string;
  readonly commit: string;
  readonly isolation: string;
  readonly standby: boolean;
  readonly encrypted: boolean | null;
  readonly replicas: number;
  readonly synchronous: number;
  readonly old: number | null;
  readonly now: number;
}

const SERVER = `SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
  current_setting('server_encoding') AS encoding, current_setting('fsync') AS fsync, current_setting('full_page_writes') AS pages,
  current_setting('synchronous_commit') AS commit, current_setting('default_transaction_isolation') AS isolation,
  pg_is_in_recovery() AS standby, (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS encrypted,
  (SELECT count(*)::int FROM pg_stat_replication) AS replicas,
  (SELECT count(*)::int FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')) AS synchronous,
  (SELECT (extract(epoch FROM clock_timestamp() - min(xact_start)) * 1000)::float8 FROM pg_stat_activity WHERE backend_xmin IS NOT NULL) AS old,
  (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now`;

/** Whether the server is one that a lab can stand on. */
export const serverCheck: Check<Engine> = {
  check: "server",
  title: "PostgreSQL",
  examine: (engine) =>
    examined(engine, async (client) => {
      const facts = (await client.query(SERVER)).rows[0] as ServerFacts;
      const { latencyMs, distanceMs } = await measured(engine, client);
      const isPooled = await isBehindPooler(client);
      const trip = `answers in ${latencyMs.toFixed(1)} ms, its clock is ${Math.round(distanceMs)} ms ahead of this machine's`;
      return {
        looked: `version ${facts.version}, ${trip}${isPooled ? ", through a pooler" : ""}`,
        findings: [
          ...inadequacies(facts),
          ...durability(facts),
          ...replication(facts),
          ...(isPooled ? [pooled()] : []),
          ...times(latencyMs, distanceMs),
          ...surroundings(engine, facts),
        ],
      };
    }),
};

/** Whether the registry is there, and this user may use it. */
export const registryCheck: Check<Engine> = {
  check: "registry",
  title: "Registry",
  examine: (engine) =>
    examined(engine, async (client) => {
      const { s } = engine.place;
      const facts = await factsOf(client, engine.place);
      if (facts === null || facts.functions === 0) return { looked: "none yet", findings: [] };
      if (!facts.isUsable) return { looked: "may not be used by this user", findings: [rights(s, facts.role)] };
      await layoutIn(client, engine.place, engine.location);
      return {
        looked: "there, and may be used",
        findings: [...(await history(engine, client)), ...(await upkeep(engine, client))],
      };
    }),
};

async function examined(engine: Engine, look: (client: Client) => Promise<Examined>): Promise<Examined> {
  try {
    return await engine.withClient(look);
  } catch (error) {
    const { code, message } = engine.failure(error) as NameholdError;
    return {
      looked: "cannot be used",
      findings: [
        {
          code: `server.${code}`,
          severity: "problem",
          what: message,
          means: "No name of this registry can be looked up or claimed from here.",
          remedy: "Do what that says, and look again.",
        },
      ],
    };
  }
}

async function measured(
  engine: Engine,
  client: Client,
): Promise<{ readonly latencyMs: number; readonly distanceMs: number }> {
  let best = { latencyMs: Number.POSITIVE_INFINITY, distanceMs: 0 };
  for (let i = 0; i < LOOKS; i += 1) {
    const sentAt = engine.clock.monotonicMs();
    const wall = engine.clock.wallMs();
    const { rows } = await client.query("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now");
    const latencyMs = engine.clock.monotonicMs() - sentAt;
    if (latencyMs < best.latencyMs) best = { latencyMs, distanceMs: Number(rows[0]?.now) - wall - latencyMs / 2 };
  }
  return best;
}

function inadequacies({ number, version, encoding, standby, isolation }: ServerFacts): readonly FixableFinding[] {
  return [
    ...unless(
      number >= VERSION_MIN * 10_000,
      problem(
        "server.version",
        `It is PostgreSQL ${version}, and ${VERSION_MIN} or newer is needed.`,
        "The registry cannot be made in it.",
        "Upgrade the server.",
      ),
    ),
    ...unless(
      encoding === "UTF8",
      problem(
        "server.encoding",
        `The database's encoding is ${encoding}.`,
        "Not every name can be kept in it, and the registry is not made.",
        "Make a database with: createdb --encoding UTF8 --template template0",
      ),
    ),
    ...unless(
      !standby,
      problem(
        "server.standby",
        "The server is a standby.",
        "Names can be looked up, and not claimed.",
        "Name the primary, or all servers: postgres://HOST1,HOST2/DATABASE",
      ),
    ),
    ...unless(
      isolation === "read committed",
      problem(
        "server.isolation",
        `This user's transactions are ${isolation}.`,
        "Every claim is refused: the store needs READ COMMITTED.",
        "ALTER ROLE … SET default_transaction_isolation = 'read committed'",
      ),
    ),
  ];
}

function durability({ fsync, pages, commit }: ServerFacts): readonly FixableFinding[] {
  const off = [fsync === "on" ? "" : "fsync", pages === "on" ? "" : "full_page_writes"].filter((name) => name !== "");
  return [
    ...unless(
      off.length === 0,
      problem(
        "server.unsafe",
        `The server runs with ${off.join(" and ")} off.`,
        "A power loss may lose or change IDs, and grant a held name to another.",
        "Switch it on in postgresql.conf.",
      ),
    ),
    ...unless(
      commit !== "off",
      note(
        "server.commit",
        "This user's commits are not waited for (synchronous_commit is off).",
        "Nothing: the registry waits for its own.",
        "Nothing to do.",
      ),
    ),
  ];
}

function replication({ replicas, synchronous }: ServerFacts): readonly FixableFinding[] {
  if (replicas === 0 || synchronous > 0) return [];
  return [
    {
      code: "server.asynchronous",
      severity: "warning",
      what: `It has ${replicas} ${replicas === 1 ? "replica" : "replicas"}, none of them synchronous.`,
      means:
        "A failover may lose what was committed last: names that were made then get other IDs, and free names are held back for a TTL.",
      remedy: "Set synchronous_standby_names on the primary, or accept it.",
    },
  ];
}

function pooled(): FixableFinding {
  return note(
    "server.pooler",
    "A pooler stands between.",
    "Nobody can be told of a release: waiters look twice a second. All else works.",
    "For quicker hand-offs, connect to the server itself.",
  );
}

function times(latencyMs: number, distanceMs: number): readonly FixableFinding[] {
  return [
    ...unless(latencyMs <= LATENCY_MS_MAX, {
      code: "server.slow",
      severity: "warning",
      what: `It takes ${Math.round(latencyMs)} ms to answer.`,
      means: "Heartbeats need a good part of a lock's TTL of 30 s, and may come too late.",
      remedy: "Find out why, or take a longer TTL.",
    }),
    ...unless(
      Math.abs(distanceMs) <= CLOCK_MS_MAX,
      note(
        "server.clock",
        `Its clock is ${Math.round(distanceMs)} ms ahead of this machine's.`,
        "No lock is judged by that, but times of one process and of the registry do not compare.",
        "Synchronise both with NTP.",
      ),
    ),
  ];
}

function surroundings({ location }: Engine, { encrypted, old }: ServerFacts): readonly FixableFinding[] {
  const isLocal = /^postgres:\/\/(localhost|127\.|%5B?%3A%3A1|%2F)/i.test(location);
  return [
    ...unless(encrypted !== false || isLocal, {
      code: "server.unencrypted",
      severity: "warning",
      what: "The connection is not encrypted.",
      means: "Whoever is on the network between may read it, and change names and locks.",
      remedy: "Give the server a certificate, and add ?sslmode=verify-full&sslrootcert=FILE to the location.",
    }),
    ...unless((old ?? 0) < OLD_TRANSACTION_MS, {
      code: "server.old-transaction",
      severity: "warning",
      what: `A transaction has been open for ${Math.round((old ?? 0) / 60_000)} minutes.`,
      means: "Rows that are out of date cannot be cleared away meanwhile: heartbeats get slower and slower.",
      remedy: "Find it in pg_stat_activity (ORDER BY xact_start), and end it.",
    }),
  ];
}

function rights(s: string, role: string): FixableFinding {
  return problem(
    "registry.rights",
    `The user ${role} may not execute the registry's functions.`,
    "No name can be looked up or claimed by this user.",
    `As its owner: ${grantsFor(s, role)}`,
  );
}

async function history({ place: { s } }: Engine, client: Client): Promise<readonly FixableFinding[]> {
  const look = `SELECT incarnation LIKE '?%' AS unreadable, recovered IS NOT NULL AS recovered FROM ${s}.registry`;
  const row = await client.query(look).catch(() => null);
  const { unreadable = false, recovered = false } = (row?.rows[0] ?? {}) as {
    readonly unreadable?: boolean;
    readonly recovered?: boolean;
  };
  return [
    ...unless(!unreadable, {
      code: "registry.timeline",
      severity: "warning",
      what: "The server does not tell its timeline.",
      means: "A failover that loses commits is not seen, and a name may then have two holders for a TTL.",
      remedy:
        "Let the owner of the schema execute pg_control_system() and pg_walfile_name(pg_lsn), or replicate synchronously.",
    }),
    ...unless(
      !recovered,
      note(
        "registry.recovered",
        "Commits may have been lost, by a failover or a restored backup.",
        "What was free then is held back until holders that are not known have ended.",
        "Wait for it.",
      ),
    ),
  ];
}

async function upkeep({ place: { s } }: Engine, client: Client): Promise<readonly FixableFinding[]> {
  const look =
    "SELECT relname AS name, n_dead_tup::int AS dead, n_live_tup::int AS live FROM pg_stat_user_tables WHERE quote_ident(schemaname) = $1 OR schemaname = $2";
  const { rows } = await client.query(look, [s, s.slice(1, -1)]);
  const tables = rows as readonly { readonly name: string; readonly dead: number; readonly live: number }[];
  return tables
    .filter(({ dead, live }) => dead > DEAD_ROWS_MIN && dead > live)
    .map(({ name, dead }) => ({
      code: "registry.dead-rows",
      severity: "warning" as const,
      what: `The table ${name} has ${dead} rows that are out of date.`,
      means: "Autovacuum does not keep up: heartbeats and claims get slower.",
      remedy: `VACUUM ${s}.${name}; and let autovacuum run more often.`,
    }));
}

function problem(code: FixableFinding["code"], what: string, means: string, remedy: string): FixableFinding {
  return { code, severity: "problem", what, means, remedy };
}

function note(code: FixableFinding["code"], what: string, means: string, remedy: string): FixableFinding {
  return { code, severity: "note", what, means, remedy };
}

function unless(isWell: boolean, finding: FixableFinding): readonly FixableFinding[] {
  return isWell ? [] : [finding];
}
