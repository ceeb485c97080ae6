/** Bodies of the functions about processes: their beats, their ends, what they listen for, and what is tidied up. */
import type { SqlPlace } from "./functions.js";
import { headOf } from "./reading-sql.js";
import { isSure, LAST_REFRESH } from "./writing-sql.js";

const HOLDS_MAX = 1_000_000;
/** One name that comes and goes all day must not push out the history of all others. */
const HOLDS_MAX_PER_NAME = 1_000;
/** Changes of which is kept what was there before. */
const BACKUPS_MAX = 1_000;
/** Rows that one step of pruning deletes. */
const PRUNED_MAX = 2_048;
const LIVES_PRUNED_MAX = 256;
const US_PER_SECOND = 1_000_000;
const US_PER_DAY = 86_400 * US_PER_SECOND;

/** Changes the locks of this life among those that are asked about: (name, token) pairs. */
function updateAsked(s: string, which: string, assignments: string): string {
  return `UPDATE ${s}.entries e SET ${assignments} FROM jsonb_to_recordset(c->'${which}') AS x(name text, token bigint)
    WHERE e.name = x.name AND e.life = own AND e.token = x.token`;
}

/** One sign of life. What beat.ts sends is described there. */
export const BEAT = ({ s }: SqlPlace): string => `
DECLARE
  r ${s}.registry;
  own bigint := (c->>'life')::bigint;
  t bigint;
  beaten bigint;
  resumed json;
BEGIN
  r := ${s}.begin_writing();
  IF c ? 'locked' THEN
    PERFORM 1 FROM ${s}.entries WHERE name IN (SELECT jsonb_array_elements_text(c->'locked')) ORDER BY name FOR UPDATE;
  END IF;
  PERFORM 1 FROM ${s}.lives WHERE n = own FOR NO KEY UPDATE;
  t := ${s}.now_us();
  -- Its holder has given it up, and may have given up its locks.
  IF t > (c->>'deadline')::bigint THEN
    RETURN json_build_object('head', ${headOf("t", "r")}, 'late', true);
  END IF;
  -- It lapses from the last beat that refreshed it.
  IF c ? 'dropped' THEN
    ${updateAsked(s, "dropped", `follows = false, refreshed = (SELECT ${LAST_REFRESH} FROM ${s}.lives l WHERE l.n = own)`)}
      AND e.follows;
  END IF;
  UPDATE ${s}.lives SET beat = beat + 1, moved = CASE WHEN (c->>'all')::boolean THEN beat + 1 ELSE moved END,
    at = CASE WHEN (c->>'all')::boolean THEN t ELSE at END,
    sure = CASE WHEN (c->>'all')::boolean THEN ${isSure("c", "t")} ELSE sure END WHERE n = own RETURNING beat INTO beaten;
  IF c ? 'resumed' THEN
    ${updateAsked(s, "resumed", "follows = true")} AND e.revocation IS NULL;
  END IF;
  IF c ? 'refreshed' THEN
    ${updateAsked(s, "refreshed", `refreshed = t, since = beaten, sure = ${isSure("c", "t")}`)} AND e.revocation IS NULL;
  END IF;
  IF c ? 'note' THEN
    INSERT INTO ${s}.clock_notes (boot, low, high, steady_since, checked)
      VALUES (c->'note'->>0, (c->'note'->>1)::bigint, (c->'note'->>2)::bigint, (c->'note'->>3)::bigint, t)
      ON CONFLICT (boot) DO UPDATE SET low = excluded.low, high = excluded.high, steady_since = excluded.steady_since,
        checked = excluded.checked;
  END IF;
  IF c ? 'forgotten' THEN
    DELETE FROM ${s}.words WHERE life = own AND token IN (SELECT jsonb_array_elements_text(c->'forgotten')::bigint);
  END IF;
  RETURN json_build_object('head', ${headOf("t", "r")}, 'beat', beaten,
    'words', (SELECT json_agg(json_build_array(token, name, loss, left_at)) FROM ${s}.words WHERE life = own),
    'looked', CASE WHEN c ? 'looked' THEN ${s}.looked(ARRAY(SELECT jsonb_array_elements_text(c->'looked'))) END,
    'orphans', CASE WHEN c ? 'named' THEN (SELECT json_agg(json_build_array(e.name, e.full_name, e.token)) FROM ${s}.entries e
      WHERE e.life = own AND e.follows AND NOT c->'named' ? e.name) END);
END`;

/**
 * A life is over: its locks are nobody's from now on, since its row is gone. Those that its process knows of are given up
 * one by one, for the history.
 */
export const FINISH = ({ s, channel }: SqlPlace): string => `
DECLARE
  own bigint := (c->>'life')::bigint;
  queues text[];
  t bigint;
BEGIN
  PERFORM ${s}.begin_writing();
  PERFORM 1 FROM ${s}.entries WHERE name IN (SELECT jsonb_array_elements_text(c->'names')
    UNION ALL SELECT name FROM ${s}.waiters WHERE life = own) ORDER BY name FOR UPDATE;
  t := ${s}.now_us();
  INSERT INTO ${s}.holds (name, full_name, id, instance, pid, host, token, since, last_heartbeat, until, how, detail, observed)
  SELECT e.name, e.full_name, e.id, e.instance, e.pid, e.host, e.token, e.acquired, ${LAST_REFRESH}, t,
    CASE WHEN e.revocation IS NULL THEN 'released' ELSE 'revoked' END, e.revoked_why, false
  FROM ${s}.entries e JOIN ${s}.lives l ON l.n = e.life
  WHERE e.life = own AND e.name IN (SELECT jsonb_array_elements_text(c->'names'));
  UPDATE ${s}.entries e SET version = greatest(e.version + 1, t), last_seen = t, life = NULL, instance = NULL, pid = NULL,
    host = NULL, ttl_ms = NULL, token = NULL, acquired = NULL, refreshed = NULL, since = NULL, sure = NULL, follows = NULL, revocation = NULL,
    revoked_why = NULL, lock_id = NULL
  WHERE e.life = own AND e.name IN (SELECT jsonb_array_elements_text(c->'names'));
  queues := ARRAY(SELECT DISTINCT name FROM ${s}.waiters WHERE life = own);
  DELETE FROM ${s}.waiters WHERE life = own;
  UPDATE ${s}.entries e SET waiters = (SELECT count(*) FROM ${s}.waiters w WHERE w.name = e.name) WHERE e.name = ANY (queues);
  DELETE FROM ${s}.formers WHERE life = own;
  DELETE FROM ${s}.words WHERE life = own;
  DELETE FROM ${s}.lives WHERE n = own;
  IF EXISTS (SELECT 1 FROM ${s}.watchers) THEN PERFORM pg_notify('${channel}', ''); END IF;
END`;

/** Says for which names a process listens; without names for all, and with neither for none. */
export const WATCH = ({ s }: SqlPlace): string => `
DECLARE
  t bigint := ${s}.now_us();
BEGIN
  IF NOT c ? 'names' THEN
    DELETE FROM ${s}.watchers WHERE n = (c->>'n')::bigint;
    RETURN;
  END IF;
  INSERT INTO ${s}.watchers (n, names, seen) VALUES ((c->>'n')::bigint,
    CASE WHEN c->'names' <> 'null' THEN ARRAY(SELECT jsonb_array_elements_text(c->'names')) END, t)
    ON CONFLICT (n) DO UPDATE SET names = excluded.names, seen = excluded.seen;
  DELETE FROM ${s}.watchers WHERE abs(t - seen) > ${60 * US_PER_SECOND} AND n <> (c->>'n')::bigint;
END`;

/** Deletes what is too much, a step at a time. A life goes when nothing hangs on it, whatever the clock says. */
export const PRUNE = ({ s }: SqlPlace): string => `
DECLARE
  t bigint := ${s}.now_us();
  silent bigint[];
BEGIN
  PERFORM set_config('lock_timeout', '200', true);
  DELETE FROM ${s}.holds WHERE k IN (SELECT k FROM ${s}.holds WHERE name = given AND (until, k) <
    (SELECT until, k FROM ${s}.holds WHERE name = given ORDER BY until DESC, k DESC LIMIT 1 OFFSET ${HOLDS_MAX_PER_NAME - 1})
    ORDER BY until LIMIT ${PRUNED_MAX});
  DELETE FROM ${s}.holds WHERE k IN (SELECT k FROM ${s}.holds WHERE k <= (SELECT max(k) FROM ${s}.holds) - ${HOLDS_MAX}
    ORDER BY k LIMIT ${PRUNED_MAX});
  DELETE FROM ${s}.backups WHERE change < (SELECT min(change) FROM
    (SELECT DISTINCT change FROM ${s}.backups ORDER BY change DESC LIMIT ${BACKUPS_MAX}) newest);
  DELETE FROM ${s}.clock_notes WHERE abs(t - checked) > ${US_PER_DAY};
  DELETE FROM ${s}.waiters w USING ${s}.lives l WHERE l.n = w.life AND abs(t - l.waiting) > ${US_PER_DAY};
  -- First locked, and looked at then: a grant to one of them, which locks it as well, may just have been written.
  silent := ARRAY(SELECT n FROM ${s}.lives WHERE abs(t - at) > ${US_PER_DAY} LIMIT ${LIVES_PRUNED_MAX} FOR UPDATE SKIP LOCKED);
  IF silent <> '{}' THEN DELETE FROM ${s}.lives l WHERE l.n = ANY (silent)
    AND NOT EXISTS (SELECT 1 FROM ${s}.entries WHERE life = l.n) AND NOT EXISTS (SELECT 1 FROM ${s}.formers WHERE life = l.n)
    AND NOT EXISTS (SELECT 1 FROM ${s}.waiters WHERE life = l.n);
  END IF;
  DELETE FROM ${s}.words w WHERE NOT EXISTS (SELECT 1 FROM ${s}.lives WHERE n = w.life);
END`;
