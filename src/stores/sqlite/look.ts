/** Reading names from the database. */
import type { ComponentType } from "../../core/entry.js";
import type { EntryRow, Looked, WaiterRow } from "../records/rows.js";
import { entryRow, formerRow, waiterRow } from "./rows.js";
import { type SqlText, toSqlText } from "./sql-text.js";
import type { Statements } from "./statements.js";

export function look(sql: Statements, name: string): Looked {
  const key = toSqlText(name);
  const tuple = sql.look.get(key);
  return lookAround(sql, { name, key, row: tuple === undefined ? null : entryRow(tuple), mayBeKept: true });
}

/** Entries in the order in which they were made, from after the one with the number `after`; at most a page of them. */
export function lookAtPage(
  sql: Statements,
  after: number,
  componentType: ComponentType | undefined,
): readonly (Looked & { readonly row: EntryRow })[] {
  const tuples = componentType === undefined ? sql.page.all(after) : sql.pageOfType.all(componentType, after);
  const mayBeKept = tuples.length > 0 && sql.anyFormer.get() !== undefined;
  return tuples.map((tuple) => {
    const row = entryRow(tuple);
    return { ...lookAround(sql, { name: row.name, key: tuple[1], row, mayBeKept }), row };
  });
}

export function queueOf(sql: Statements, n: number): readonly WaiterRow[] {
  return sql.queue.all(n).map(waiterRow);
}

interface Found {
  readonly name: string;
  readonly key: SqlText;
  readonly row: EntryRow | null;
  /** Whether there may be a former lock. */
  readonly mayBeKept: boolean;
}

function lookAround(sql: Statements, { name, key, row, mayBeKept }: Found): Looked {
  const former = mayBeKept && row?.lock == null ? sql.lookFormer.get(key) : undefined;
  return {
    name,
    row,
    former: former === undefined ? null : formerRow(former),
    queue: row === null || row.waiters === 0 ? [] : queueOf(sql, row.n),
  };
}
