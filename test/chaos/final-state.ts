import { readFileSync } from "node:fs";
import BetterSqlite3 from "better-sqlite3";
import type { FinalState } from "./history.ts";

interface RawEntry {
  readonly id: string;
  readonly metadata: Readonly<Record<string, number>>;
}

/** The registry as any reader of JSON, or of SQLite databases, sees it: the library's word is not asked. */
export function readFinalState(location: string): FinalState {
  const named = location.startsWith("sqlite:") ? inDatabase(location.slice("sqlite:".length)) : inFile(location);
  return {
    ids: new Map(named.map(([name, entry]) => [name, entry.id])),
    counters: new Map(
      named.flatMap(([name, { metadata }]) =>
        Object.entries(metadata).map(([writer, count]): [string, number] => [`${name} ${writer}`, count]),
      ),
    ),
  };
}

function inFile(path: string): readonly (readonly [name: string, entry: RawEntry])[] {
  const { entries } = JSON.parse(readFileSync(path, "utf8")) as { entries: Record<string, RawEntry> };
  return Object.entries(entries);
}

function inDatabase(path: string): readonly (readonly [name: string, entry: RawEntry])[] {
  const db = new BetterSqlite3(path);
  try {
    const health = db.pragma("integrity_check", { simple: true });
    if (health !== "ok") throw new Error(`The database is damaged: ${String(health)}`);
    const rows = db.prepare("SELECT name, source FROM entries").all() as { name: string; source: string }[];
    return rows.map(({ name, source }) => [name, JSON.parse(source) as RawEntry]);
  } finally {
    db.close();
  }
}
