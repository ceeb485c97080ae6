import { readFileSync } from "node:fs";
import BetterSqlite3 from "better-sqlite3";
import { openRegistry } from "namehold";
import type { FinalState } from "./history.ts";

interface RawEntry {
  readonly id: string;
  readonly metadata: Readonly<Record<string, unknown>>;
}

type Named = readonly [name: string, entry: RawEntry];

/** The registry as any reader of JSON, or of SQLite databases, sees it: the library's word is not asked. */
export function readFinalState(location: string): FinalState {
  return stateOf(location.startsWith("sqlite:") ? inDatabase(location.slice("sqlite:".length)) : inFile(location));
}

/** The registry as a new process sees it that opens it to read, for stores whose layout is no concern of others. */
export async function listedState(location: string): Promise<FinalState> {
  await using registry = await openRegistry(location);
  const named: Named[] = [];
  for await (const { name, entry } of registry.list()) named.push([name, entry]);
  return stateOf(named);
}

function stateOf(named: readonly Named[]): FinalState {
  return {
    ids: new Map(named.map(([name, entry]) => [name, entry.id])),
    counters: new Map(
      named.flatMap(([name, { metadata }]) =>
        Object.entries(metadata).map(([writer, count]): [string, number] => [`${name} ${writer}`, Number(count)]),
      ),
    ),
  };
}

function inFile(path: string): readonly Named[] {
  const { entries } = JSON.parse(readFileSync(path, "utf8")) as { entries: Record<string, RawEntry> };
  return Object.entries(entries);
}

function inDatabase(path: string): readonly Named[] {
  const db = new BetterSqlite3(path);
  try {
    const health = db.pragma("integrity_check", { simple: true });
    if (health !== "ok") throw new Error(`The database is damaged: ${String(health)}`);
    const rows = db
      .prepare("SELECT name, coalesce(entries.source, texts.source) AS source FROM entries LEFT JOIN texts USING (n)")
      .all() as { name: string; source: string }[];
    return rows.map(({ name, source }) => [name, JSON.parse(source) as RawEntry]);
  } finally {
    db.close();
  }
}
