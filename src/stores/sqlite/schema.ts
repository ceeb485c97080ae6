/**
 * How the database is laid out, and how older layouts become this one.
 *
 * All that is asked of a name is one row, and so mostly one page: with a million names, each page costs more than the rest.
 * Long texts stand apart. Whoever holds a lock is written beside it, so that the row of a process (`holders`) can go as
 * soon as its death is proved: a lock whose holder has no row is nobody's, and nobody has to look for such locks.
 *
 * Holds are found by one number, which costs one page with each release: that of the entry. Where a name and an ID part
 * (or came from elsewhere), `subjects` remembers the number under which their holds are.
 */
import { RegistryError } from "../../core/errors.js";
import type { WallMs } from "../../core/timing.js";
import type { Database } from "./driver.js";

/** "nmhd": what tells our databases from others, for file(1) too. */
export const APPLICATION_ID = 0x6e6d_6864;

/** A change of a lock writes a few pages whole: smaller ones are quicker, by far where they go on to the disk. */
export const PAGE_BYTES = 1024;

const CREATION = `
  -- The registry itself: one row.
  CREATE TABLE registry (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL,              -- PATH.holders/registry-id knows it too
    created_at REAL NOT NULL,
    boot_id TEXT NOT NULL          -- of the boot in which tokens were last given
  ) STRICT;

  -- Names, how each stands, and its lock. What is ANY is text, or UTF-16 bytes where UTF-8 has no form for it.
  -- *_at: boot clock, *_wall and others: wall clock; milliseconds.
  CREATE TABLE entries (
    n INTEGER PRIMARY KEY AUTOINCREMENT, -- never again another's: holds are under it
    version INTEGER NOT NULL,
    waiters INTEGER NOT NULL,      -- how many rows in waiters
    last_seen REAL,                -- null: as the source says
    holder INTEGER,                -- null: no lock
    instance TEXT,
    pid INTEGER,
    host TEXT,
    ttl_ms REAL,
    token INTEGER,
    acquired_wall REAL,
    refreshed_at REAL,
    refreshed_wall REAL,
    follows INTEGER,               -- 1: its holder's beats refresh it, 0: nothing does any more
    revocation TEXT,               -- JSON
    lock_id TEXT,                  -- under which ID its holder acts; null: the entry's
    name ANY NOT NULL UNIQUE,
    id TEXT NOT NULL UNIQUE,
    component_type TEXT NOT NULL,
    source ANY                     -- the entry's JSON text, whose lock is null or missing; null: see texts
  ) STRICT;
  CREATE INDEX entries_by_type ON entries (component_type);
  CREATE INDEX entries_by_lock_id ON entries (lock_id) WHERE lock_id IS NOT NULL;

  -- Long sources, so that a claim does not write them again.
  CREATE TABLE texts (
    n INTEGER PRIMARY KEY,         -- of the entry
    source ANY NOT NULL
  ) STRICT;

  -- Lives of processes: one row each, and one write a heartbeat, however many names are held.
  CREATE TABLE holders (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    instance TEXT NOT NULL UNIQUE,
    clock TEXT NOT NULL,           -- boot and time namespace: whose beats compare with whose clock
    beat INTEGER NOT NULL,
    beat_at REAL NOT NULL,
    beat_wall REAL NOT NULL
  ) STRICT;

  -- Locks that were taken away with their names, until they are given up.
  CREATE TABLE formers (
    name ANY NOT NULL PRIMARY KEY,
    holder INTEGER NOT NULL,
    instance TEXT NOT NULL,
    pid INTEGER NOT NULL,
    host TEXT NOT NULL,
    ttl_ms REAL NOT NULL,
    token INTEGER NOT NULL,
    acquired_wall REAL NOT NULL,
    refreshed_at REAL NOT NULL,
    refreshed_wall REAL NOT NULL,
    id TEXT NOT NULL               -- under which its holder acts
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX formers_by_id ON formers (id);
  CREATE INDEX formers_by_token ON formers (token);
  CREATE INDEX formers_by_holder ON formers (holder);

  -- Queues, in the order of place.
  CREATE TABLE waiters (
    place INTEGER PRIMARY KEY,
    entry INTEGER NOT NULL,
    ticket TEXT NOT NULL,
    holder INTEGER NOT NULL,
    instance TEXT NOT NULL,
    since_wall REAL NOT NULL,
    offered_at REAL
  ) STRICT;
  CREATE INDEX waiters_by_entry ON waiters (entry);
  CREATE UNIQUE INDEX waiters_by_ticket ON waiters (entry, ticket);
  CREATE INDEX waiters_by_holder ON waiters (holder);

  -- What became of locks, for their former holders' heartbeats.
  CREATE TABLE words (
    holder INTEGER NOT NULL,
    token INTEGER NOT NULL,
    name ANY NOT NULL,             -- under which it was lost first
    loss TEXT NOT NULL,            -- JSON
    left_wall REAL NOT NULL,
    PRIMARY KEY (holder, token)
  ) STRICT, WITHOUT ROWID;

  -- Which names have changed lately. The greatest seq is the last token or version that was given.
  CREATE TABLE changes (
    seq INTEGER PRIMARY KEY,
    name ANY                       -- null: any may have changed
  ) STRICT;

  -- Ended holds.
  CREATE TABLE holds (
    k INTEGER PRIMARY KEY,
    subject INTEGER NOT NULL,      -- number of the entry, or of the row in subjects that has this name and ID
    name ANY NOT NULL,
    id TEXT NOT NULL,
    instance TEXT NOT NULL,
    pid INTEGER NOT NULL,
    host TEXT NOT NULL,
    token INTEGER,
    since_wall REAL NOT NULL,
    last_heartbeat_wall REAL NOT NULL,
    until_wall REAL NOT NULL,
    how TEXT NOT NULL,
    detail ANY,
    observed INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX holds_by_subject ON holds (subject, until_wall);
  CREATE INDEX holds_by_end ON holds (until_wall);

  -- Names and IDs that belong together no more, under which there may be holds.
  CREATE TABLE subjects (
    s INTEGER PRIMARY KEY,
    subject INTEGER NOT NULL,      -- number of the entry that it was; negative for what never was one here
    name ANY NOT NULL,
    id TEXT NOT NULL
  ) STRICT;
  CREATE INDEX subjects_by_name ON subjects (name);
  CREATE INDEX subjects_by_id ON subjects (id);
`;

/** From version i to version i + 1 of the layout, in order. */
export const MIGRATIONS: readonly string[] = [CREATION];

/**
 * Brings the database to the newest layout. To be called inside a transaction.
 *
 * @returns the version that it had before; 0 for a new database
 * @throws RegistryError `unsupported` for one that a newer namehold has written
 */
export function migrateSchema(db: Database, path: string, migrations: readonly string[] = MIGRATIONS): number {
  const version = schemaVersion(db);
  if (version > migrations.length) throw newerSchema(path, version, migrations.length);
  for (const migration of migrations.slice(version)) db.exec(migration);
  if (version < migrations.length) db.pragma(`user_version = ${migrations.length}`);
  return version;
}

export function schemaVersion(db: Database): number {
  return db.pragma("user_version", { simple: true }) as number;
}

export function newerSchema(path: string, version: number, known: number = MIGRATIONS.length): RegistryError {
  return new RegistryError(
    "unsupported",
    `The registry ${path} was written by a newer namehold (layout ${version}; this one knows ${known}). Update namehold: npm install namehold@latest`,
  );
}

/** The registry's own row, made with it. */
export function insertRegistry(db: Database, registry: { readonly id: string; readonly createdAt: WallMs }): void {
  db.prepare("INSERT INTO registry (one, id, created_at, boot_id) VALUES (1, ?, ?, '')").run(
    registry.id,
    registry.createdAt,
  );
}
