import type { Ending, HistoryQuery, PastHold } from "../../core/history.js";
import { wallMs } from "../../core/timing.js";
import { fromSqlText, toSqlText } from "./sql-text.js";
import type { HoldTuple, Statements } from "./statements.js";

/** Where a page of the history ends, and the next begins. */
export type HoldPlace = readonly [untilWall: number, k: number];

export const FROM_THE_LAST: HoldPlace = [Number.MAX_VALUE, 0];

/** The holds that ended before `place`, the last to end first; at most a page of them. */
export function holdsBefore(sql: Statements, { name, id }: HistoryQuery, place: HoldPlace): readonly HoldTuple[] {
  const [until, k] = place;
  const key = name === undefined ? null : toSqlText(name);
  if (name !== undefined && id !== undefined) return sql.holdsOfEither.all(key, key, id, id, key, id, until, k);
  if (name !== undefined) return sql.holdsOfName.all(key, key, key, until, k);
  if (id !== undefined) return sql.holdsOfId.all(id, id, id, until, k);
  return sql.allHolds.all(until, k);
}

export function placeOf(tuple: HoldTuple): HoldPlace {
  return [tuple[9], tuple[0]];
}

export function pastHold([
  ,
  name,
  id,
  instance,
  pid,
  host,
  token,
  since,
  last,
  until,
  how,
  detail,
  observed,
]: HoldTuple): PastHold {
  return {
    name: fromSqlText(name),
    id,
    holder: { instance, pid, host },
    token,
    since: wallMs(since),
    lastHeartbeat: wallMs(last),
    until: wallMs(until),
    ending: { how: how as Ending["how"], ...(detail === null ? {} : { detail: fromSqlText(detail) }) },
    observed: observed === 1,
  };
}
