/** The tables of the PostgreSQL store, as layout 1 has them. Times are the server's wall clock, in microseconds. */

/** @param s the schema's name, quoted */
export function tablesIn(s: string): string {
  return `
CREATE SEQUENCE ${s}.places;

-- The registry itself: one row.
CREATE TABLE ${s}.registry (
  one integer PRIMARY KEY CHECK (one = 1),
  layout integer NOT NULL,
  -- No token up to this one is given any more.
  floor bigint NOT NULL,
  -- Which history of this database it is: another one after a promotion or a restored backup, see incarnation().
  incarnation text NOT NULL,
  -- The server, and the table, by which that was looked at last.
  started timestamptz,
  made_as oid,
  -- How often it has been another one.
  adoptions integer NOT NULL,
  -- When it was found to be another one, and for how long what is free is held back since; null when that is over.
  recovered bigint,
  holdback_ms bigint NOT NULL
);

-- Lives of processes: one row each, and one write a heartbeat, however many names are held.
CREATE TABLE ${s}.lives (
  n bigint PRIMARY KEY,
  ttl_ms double precision NOT NULL,
  beat bigint NOT NULL,
  -- The last beat that refreshed all its locks, and when that was.
  moved bigint NOT NULL,
  at bigint NOT NULL,
  -- Whether that was the time which its process expected; else the clock may have stepped.
  sure boolean NOT NULL,
  -- Its last sign of life as one who waits.
  waiting bigint NOT NULL
) WITH (fillfactor = 50);

-- Names with their locks. A name or text has escapes for what text cannot carry; a long name has its hash as key.
CREATE TABLE ${s}.entries (
  name text COLLATE "C" PRIMARY KEY,
  full_name text COLLATE "C",
  id text COLLATE "C" NOT NULL CONSTRAINT entries_id UNIQUE,
  component_type text COLLATE "C" NOT NULL,
  -- The entry's JSON text, whose lock is null or missing.
  source text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  -- Null: as the source says.
  last_seen bigint,
  -- How many rows in waiters.
  waiters integer NOT NULL,
  -- The life of its holder; null without a lock. A lock whose life is gone is nobody's.
  life bigint,
  instance text,
  pid bigint,
  host text,
  ttl_ms double precision,
  token bigint,
  acquired bigint,
  refreshed bigint,
  -- The last beat of its holder before that: what comes later is not told by times, since the clock may step back.
  since bigint,
  sure boolean,
  -- Whether its holder's beats refresh it.
  follows boolean,
  revocation text,
  revoked_why text COLLATE "C",
  -- Under which ID its holder acts; null: the entry's.
  lock_id text COLLATE "C"
) WITH (fillfactor = 70);
CREATE INDEX entries_by_lock_id ON ${s}.entries (lock_id) WHERE lock_id IS NOT NULL;

-- Locks that were taken away with their names, until they are given up.
CREATE TABLE ${s}.formers (
  name text COLLATE "C" PRIMARY KEY,
  full_name text COLLATE "C",
  id text COLLATE "C" NOT NULL,
  life bigint NOT NULL,
  instance text NOT NULL,
  pid bigint NOT NULL,
  host text NOT NULL,
  ttl_ms double precision NOT NULL,
  token bigint NOT NULL,
  acquired bigint NOT NULL,
  refreshed bigint NOT NULL,
  sure boolean NOT NULL
);
CREATE INDEX formers_by_id ON ${s}.formers (id);
CREATE INDEX formers_by_life ON ${s}.formers (life, token);

-- Queues, in the order of place.
CREATE TABLE ${s}.waiters (
  place bigint PRIMARY KEY,
  name text COLLATE "C" NOT NULL,
  ticket text COLLATE "C" NOT NULL,
  life bigint NOT NULL,
  instance text NOT NULL,
  since bigint NOT NULL,
  offered bigint,
  CONSTRAINT waiters_by_ticket UNIQUE (name, ticket)
);
CREATE INDEX waiters_by_life ON ${s}.waiters (life);

-- What became of locks, for their former holders' heartbeats.
CREATE TABLE ${s}.words (
  life bigint NOT NULL,
  token bigint NOT NULL,
  -- Under which it was lost first, in full.
  name text COLLATE "C" NOT NULL,
  loss text NOT NULL,
  left_at bigint NOT NULL,
  PRIMARY KEY (life, token)
);

-- Ended holds.
CREATE TABLE ${s}.holds (
  k bigserial PRIMARY KEY,
  name text COLLATE "C" NOT NULL,
  full_name text COLLATE "C",
  id text COLLATE "C" NOT NULL,
  instance text NOT NULL,
  pid bigint NOT NULL,
  host text NOT NULL,
  token bigint,
  since bigint NOT NULL,
  last_heartbeat bigint NOT NULL,
  until bigint NOT NULL,
  how text NOT NULL,
  detail text,
  observed boolean NOT NULL
);
CREATE INDEX holds_by_name ON ${s}.holds (name, until, k);
CREATE INDEX holds_by_id ON ${s}.holds (id, until, k);
CREATE INDEX holds_by_end ON ${s}.holds (until, k);

-- Entries as they were before a removal, a rename or an import, the newest changes.
CREATE TABLE ${s}.backups (
  change bigint NOT NULL,
  name text COLLATE "C" NOT NULL,
  full_name text COLLATE "C",
  source text COLLATE "C" NOT NULL,
  why text NOT NULL,
  made_at timestamptz NOT NULL,
  PRIMARY KEY (change, name)
);

-- Who listens, and for which names (null: for all), so that nobody is told when nobody listens.
CREATE TABLE ${s}.watchers (
  n bigint PRIMARY KEY,
  names text[] COLLATE "C",
  seen bigint NOT NULL
);

-- How far the server's clock is from the boot clocks of hosts, and since when, as far as is known, it has not stepped.
CREATE TABLE ${s}.clock_notes (
  boot text PRIMARY KEY,
  low bigint NOT NULL,
  high bigint NOT NULL,
  steady_since bigint NOT NULL,
  checked bigint NOT NULL
);

-- What the contract shows of a name: an array as rows.ts reads it.
CREATE VIEW ${s}.shown AS
SELECT e.name, e.component_type, json_build_array(e.name, e.full_name,
  json_build_array(e.id, e.component_type, e.source, e.version, e.last_seen, e.waiters,
    CASE WHEN e.life IS NOT NULL THEN json_build_array(e.life, e.instance, e.pid, e.host, e.ttl_ms, e.token, e.acquired,
      e.refreshed, e.sure, e.follows, e.revocation, e.lock_id, l.beat, l.at, l.sure, l.moved > e.since) END),
  CASE WHEN f.name IS NOT NULL THEN json_build_array(f.life, f.instance, f.pid, f.host, f.ttl_ms, f.token, f.acquired,
    f.refreshed, f.sure, false, NULL, f.id, fl.beat, fl.at, fl.sure, false) END,
  CASE WHEN e.waiters > 0 THEN (
    SELECT json_agg(json_build_array(w.ticket, w.instance, w.since, w.offered, wl.waiting, wl.ttl_ms) ORDER BY w.place)
    FROM ${s}.waiters w JOIN ${s}.lives wl ON wl.n = w.life WHERE w.name = e.name) END) AS row
FROM ${s}.entries e
LEFT JOIN ${s}.lives l ON l.n = e.life
LEFT JOIN ${s}.formers f ON f.name = e.name AND e.life IS NULL
LEFT JOIN ${s}.lives fl ON fl.n = f.life;
`;
}
