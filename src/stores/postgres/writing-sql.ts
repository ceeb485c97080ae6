/** Bodies of the functions that write a change. */
import type { SqlPlace } from "./functions.js";
import { headOf } from "./reading-sql.js";

/** How long a row that others have locked is waited for. */
const LOCK_TIMEOUT_MS = 2_000;
/** How long, at least, what is free is held back after a promotion or a restored backup. */
const HOLDBACK_MS_MIN = 30_000;
/** A number so far ahead of the server's clock is no reading of it: all later ones must be above it. */
const AHEAD_US = 1_000_000;
const LONG_SILENT_US = 3_600_000_000;

/** A promoted replica is on another timeline, a restored dump has other tables, another cluster another identifier. */
export const INCARNATION = ({ table }: SqlPlace): string => `
BEGIN
  RETURN (SELECT system_identifier FROM pg_control_system()) || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
    || '/' || ${table}::regclass::oid;
EXCEPTION WHEN insufficient_privilege OR undefined_function OR feature_not_supported THEN
  RETURN '?/?/' || ${table}::regclass::oid;
END`;

/** What was committed last before a promotion or a backup may be missing: everybody gets a full TTL from now. */
export const ADOPT = ({ s }: SqlPlace): string => `
DECLARE
  t bigint;
BEGIN
  PERFORM 1 FROM ${s}.registry WHERE one = 1 AND incarnation <> given FOR UPDATE;
  IF NOT FOUND THEN RETURN; END IF;
  t := ${s}.now_us();
  UPDATE ${s}.entries SET refreshed = t, sure = false WHERE life IS NOT NULL AND NOT follows;
  UPDATE ${s}.formers SET refreshed = t, sure = false;
  UPDATE ${s}.lives SET beat = beat + 1, moved = beat + 1, at = t, sure = false;
  UPDATE ${s}.registry SET incarnation = given, started = NULL, adoptions = adoptions + 1, recovered = t, holdback_ms = greatest(
    ${HOLDBACK_MS_MIN}, (SELECT max(ttl_ms) FROM ${s}.lives), (SELECT max(ttl_ms) FROM ${s}.entries WHERE life IS NOT NULL));
END`;

export const BEGIN_WRITING = ({ s, table }: SqlPlace): string => `
DECLARE
  r ${s}.registry;
  present text;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION USING ERRCODE = 'NH001', MESSAGE = 'the transaction is not READ COMMITTED';
  END IF;
  IF pg_is_in_recovery() THEN
    RAISE EXCEPTION USING ERRCODE = 'read_only_sql_transaction', MESSAGE = 'it is a standby';
  END IF;
  IF current_setting('synchronous_commit') = 'off' THEN
    PERFORM set_config('synchronous_commit', 'on', true);
  END IF;
  PERFORM set_config('lock_timeout', '${LOCK_TIMEOUT_MS}', true);
  SELECT * INTO r FROM ${s}.registry WHERE one = 1;
  -- What tells one incarnation from another is read from a file: only when this server has started since, or the tables are others.
  IF r.started IS DISTINCT FROM pg_postmaster_start_time() OR r.made_as <> ${table}::regclass THEN
    present := ${s}.incarnation();
    IF r.incarnation <> present THEN PERFORM ${s}.adopt(present); END IF;
    UPDATE ${s}.registry SET started = pg_postmaster_start_time(), made_as = ${table}::regclass WHERE one = 1 RETURNING * INTO r;
  END IF;
  RETURN r;
END`;

/**
 * One change: locks what it is about, looks whether all is as its draft has supposed, and writes it. What change-request.ts
 * sends is described there.
 */
export const COMMIT = ({ s, channel }: SqlPlace): string => {
  const answer = (kind: string, t: string): string =>
    `json_build_object('answer', '${kind}', 'head', ${headOf(t, "r")}, 'looked', ${s}.looked(names))`;
  return `
DECLARE
  r ${s}.registry;
  item jsonb;
  found_version bigint;
  lived_at bigint;
  last_beat bigint := 1;
  lives_in_it bigint[] := '{}';
  is_as_supposed boolean := true;
  highest bigint := (c->>'highest')::bigint;
  t bigint;
  names text[] := ARRAY(SELECT jsonb_array_elements_text(c->'names'));
BEGIN
  r := ${s}.begin_writing();
  IF (c->>'lowest')::bigint <= r.floor THEN RETURN ${answer("floor", `${s}.now_us()`)}; END IF;
  IF c ? 'life' AND NOT c ? 'newborn' THEN
    SELECT at, beat INTO lived_at, last_beat FROM ${s}.lives WHERE n = (c->>'life')::bigint;
    -- One that has been silent for so long may just be tidied up.
    IF FOUND AND abs(${s}.now_us() - lived_at) > ${LONG_SILENT_US} THEN
      PERFORM 1 FROM ${s}.lives WHERE n = (c->>'life')::bigint FOR KEY SHARE;
    END IF;
    IF NOT FOUND THEN RETURN ${answer("no-life", `${s}.now_us()`)}; END IF;
  END IF;
  -- An ID comes to a name: meanwhile no holder of it may be turned into a former one. Who writes that row locks it before others.
  IF c ? 'ids' OR c->'beside' ? 'formers' OR c ? 'raise' THEN PERFORM 1 FROM ${s}.registry WHERE one = 1 FOR UPDATE; END IF;
  FOR item IN SELECT value FROM jsonb_array_elements(c->'checks') ORDER BY value->>'name' COLLATE "C" LOOP
    SELECT version INTO found_version FROM ${s}.entries WHERE name = item->>'name' FOR UPDATE;
    IF item ? 'version' THEN
      is_as_supposed := is_as_supposed AND found_version IS NOT DISTINCT FROM (item->>'version')::bigint;
    ELSE
      is_as_supposed := is_as_supposed AND (found_version IS NOT NULL) = (item->>'exists')::boolean;
    END IF;
    IF item ? 'life' THEN lives_in_it := lives_in_it || (item->>'life')::bigint; END IF;
  END LOOP;
  -- Now no beat of theirs comes in between.
  IF lives_in_it <> '{}' THEN PERFORM 1 FROM ${s}.lives WHERE n = ANY (lives_in_it) ORDER BY n FOR SHARE; END IF;
  FOR item IN SELECT value FROM jsonb_array_elements(c->'checks') WHERE value ? 'holder' LOOP
    is_as_supposed := is_as_supposed
      AND ${s}.holder_of(item->>'name', nullif(r.recovered, (c->>'recovered')::bigint)) IS NOT DISTINCT FROM item->>'holder';
  END LOOP;
  IF is_as_supposed AND c ? 'ids' THEN
    is_as_supposed := ${s}.uses_of_ids(ARRAY(SELECT jsonb_array_elements_text(c->'ids')))::jsonb = c->'uses';
  END IF;
  IF NOT is_as_supposed THEN RETURN ${answer("conflict", `${s}.now_us()`)}; END IF;
  t := ${s}.now_us();
  -- Whoever has sent it has given it up, and would not know of what it grants.
  IF t > (c->>'deadline')::bigint THEN RETURN ${answer("late", "t")}; END IF;
  IF c ? 'newborn' THEN
    INSERT INTO ${s}.lives (n, ttl_ms, beat, moved, at, sure, waiting)
      VALUES ((c->>'life')::bigint, (c->>'newborn')::double precision, 1, 1, t, ${isSure("c", "t")}, t);
  END IF;
  IF c ? 'beside' THEN PERFORM ${s}.write_beside(c->'beside', t); END IF;
  PERFORM ${s}.write_entries(c, t, last_beat);
  IF c ? 'queues' THEN PERFORM ${s}.write_queues(c, t); END IF;
  -- Now nobody else can make these names. One that has come and gone before has left its tokens in the floor.
  IF c ? 'makes' AND (c->>'lowest')::bigint <= (SELECT floor FROM ${s}.registry) THEN
    RAISE EXCEPTION USING ERRCODE = 'serialization_failure', MESSAGE = 'a name has come and gone';
  END IF;
  IF c ? 'raise' OR highest > t + ${AHEAD_US} THEN
    UPDATE ${s}.registry SET floor = greatest(floor, (c->>'raise')::bigint, CASE WHEN highest > t + ${AHEAD_US} THEN highest END)
      WHERE one = 1 RETURNING * INTO r;
  END IF;
  IF c ? 'recovered' AND r.recovered = (c->>'recovered')::bigint THEN
    UPDATE ${s}.registry SET recovered = NULL WHERE one = 1 RETURNING * INTO r;
  END IF;
  IF EXISTS (SELECT 1 FROM ${s}.watchers) THEN
    PERFORM pg_notify('${channel}', told) FROM unnest(names || ARRAY(SELECT jsonb_array_elements_text(c->'told'))) told
      WHERE EXISTS (SELECT 1 FROM ${s}.watchers w WHERE w.names IS NULL OR told = ANY (w.names));
  END IF;
  RETURN ${answer("done", "t")};
END`;
};

/** Whether the time is about that which the process expected. */
export function isSure(c: string, t: string): string {
  return `coalesce(abs((${c}->>'expected')::bigint - ${t}) < ${AHEAD_US}, false)`;
}

/** When a lock was last refreshed: by a beat of its holder, if there has been one since its own last refresh. */
export const LAST_REFRESH = "CASE WHEN e.follows AND l.moved > e.since THEN l.at ELSE e.refreshed END";

/** Whether that time can be trusted. A beat that is later, and older by the clock, shows that the clock has stepped. */
const IS_LAST_SURE = "CASE WHEN e.follows AND l.moved > e.since THEN l.sure AND l.at >= e.refreshed ELSE e.sure END";

/** What a change leaves beside the entries, made from the entries as they are before it. */
export const WRITE_BESIDE = ({ s }: SqlPlace): string => `
BEGIN
  IF c ? 'ended' THEN
    INSERT INTO ${s}.holds (name, full_name, id, instance, pid, host, token, since, last_heartbeat, until, how, detail, observed)
    SELECT e.name, e.full_name, e.id, e.instance, e.pid, e.host, e.token, e.acquired, ${LAST_REFRESH}, t, x.how, x.detail, false
    FROM jsonb_to_recordset(c->'ended') AS x(name text, how text, detail text)
    JOIN ${s}.entries e ON e.name = x.name LEFT JOIN ${s}.lives l ON l.n = e.life WHERE e.life IS NOT NULL;
  END IF;
  IF c ? 'recalled' THEN
    INSERT INTO ${s}.holds (name, full_name, id, instance, pid, host, token, since, last_heartbeat, until, how, detail, observed)
    SELECT x.* FROM jsonb_to_recordset(c->'recalled') AS x(name text, full_name text, id text, instance text, pid bigint, host text,
      token bigint, since bigint, last_heartbeat bigint, until bigint, how text, detail text, observed boolean)
    WHERE NOT EXISTS (SELECT 1 FROM ${s}.holds h WHERE h.name = x.name AND h.instance = x.instance AND h.since = x.since
      AND h.token IS NOT DISTINCT FROM x.token);
  END IF;
  IF c ? 'forgotten' THEN
    DELETE FROM ${s}.formers f USING jsonb_to_recordset(c->'forgotten') AS x(life bigint, token bigint)
    WHERE f.life = x.life AND f.token = x.token;
  END IF;
  IF c ? 'given_up' THEN
    DELETE FROM ${s}.formers WHERE name IN (SELECT jsonb_array_elements_text(c->'given_up'));
  END IF;
  IF c ? 'formers' THEN
    INSERT INTO ${s}.formers (name, full_name, id, life, instance, pid, host, ttl_ms, token, acquired, refreshed, sure)
    SELECT e.name, e.full_name, coalesce(e.lock_id, e.id), e.life, e.instance, e.pid, e.host, e.ttl_ms, e.token, e.acquired,
      ${LAST_REFRESH}, ${IS_LAST_SURE}
    FROM ${s}.entries e LEFT JOIN ${s}.lives l ON l.n = e.life
    WHERE e.name IN (SELECT jsonb_array_elements_text(c->'formers')) AND e.life IS NOT NULL
    ON CONFLICT (name) DO UPDATE SET full_name = excluded.full_name, id = excluded.id, life = excluded.life,
      instance = excluded.instance, pid = excluded.pid, host = excluded.host, ttl_ms = excluded.ttl_ms, token = excluded.token,
      acquired = excluded.acquired, refreshed = excluded.refreshed, sure = excluded.sure;
  END IF;
  IF c ? 'words' THEN
    INSERT INTO ${s}.words (life, token, name, loss, left_at)
    SELECT x.life, x.token, x.name, x.loss, t
    FROM jsonb_to_recordset(c->'words') AS x(life bigint, token bigint, name text, loss text)
    ON CONFLICT (life, token) DO UPDATE SET loss = excluded.loss, left_at = excluded.left_at;
  END IF;
  IF c ? 'backup' THEN
    INSERT INTO ${s}.backups (change, name, full_name, source, why, made_at)
    SELECT (c->'backup'->>'change')::bigint, e.name, e.full_name, e.source, c->'backup'->>'why', clock_timestamp()
    FROM ${s}.entries e WHERE e.name IN (SELECT jsonb_array_elements_text(c->'backup'->'names'));
  END IF;
END`;

/** In the order: what goes, what moves, what changes, what is new, so that names and IDs may change hands. */
export const WRITE_ENTRIES = ({ s }: SqlPlace): string => `
DECLARE
  w jsonb;
  key text;
  lock jsonb;
  waiting integer;
BEGIN
  FOR w IN SELECT value FROM jsonb_array_elements(c->'writes') LOOP
    key := w->>'name';
    lock := w->'lock';
    CASE w->>'do'
    WHEN 'delete' THEN
      DELETE FROM ${s}.entries WHERE name = key RETURNING waiters INTO waiting;
      IF waiting > 0 THEN DELETE FROM ${s}.waiters WHERE name = key; END IF;
    WHEN 'renumber' THEN
      UPDATE ${s}.entries SET id = '~' || name WHERE name = key;
    WHEN 'move' THEN
      -- Those who wait, wait for the name and not for the entry.
      DELETE FROM ${s}.waiters WHERE name = w->>'from';
      UPDATE ${s}.entries SET name = key, full_name = w->>'full_name', version = (w->>'version')::bigint, waiters = 0
        WHERE name = w->>'from';
    WHEN 'insert' THEN
      INSERT INTO ${s}.entries (name, full_name, id, component_type, source, version, waiters)
        VALUES (key, w->>'full_name', w->>'id', w->>'component_type', w->>'source', (w->>'version')::bigint, 0);
    WHEN 'update' THEN
      NULL;
    END CASE;
    IF w ? 'source' AND w->>'do' <> 'insert' THEN
      UPDATE ${s}.entries SET id = w->>'id', component_type = w->>'component_type', source = w->>'source' WHERE name = key;
    END IF;
    CASE w->>'locking'
    WHEN 'grant' THEN
      UPDATE ${s}.entries SET version = (w->>'version')::bigint, last_seen = t, life = (c->>'life')::bigint,
        instance = lock->>0, pid = (lock->>1)::bigint, host = lock->>2, ttl_ms = (lock->>3)::double precision,
        token = (w->>'version')::bigint, acquired = t, refreshed = t, since = last_beat, sure = ${isSure("c", "t")}, follows = true,
        revocation = NULL, revoked_why = NULL, lock_id = NULL WHERE name = key RETURNING waiters INTO waiting;
      -- The next time that it is free, its waiter gets a full turn.
      IF waiting > 0 THEN UPDATE ${s}.waiters SET offered = NULL WHERE name = key AND offered IS NOT NULL; END IF;
    WHEN 'none' THEN
      UPDATE ${s}.entries e SET version = (w->>'version')::bigint, last_seen = ${lastSeen()}, life = NULL, instance = NULL,
        pid = NULL, host = NULL, ttl_ms = NULL, token = NULL, acquired = NULL, refreshed = NULL, since = NULL, sure = NULL, follows = NULL,
        revocation = NULL, revoked_why = NULL, lock_id = NULL WHERE name = key;
    WHEN 'freeze' THEN
      UPDATE ${s}.entries e SET version = (w->>'version')::bigint, last_seen = ${lastSeen()},
        refreshed = ${LAST_REFRESH},
        sure = ${IS_LAST_SURE},
        follows = false, revocation = w->>'revocation', revoked_why = w->>'revoked_why', lock_id = w->>'lock_id'
      FROM ${s}.entries x LEFT JOIN ${s}.lives l ON l.n = x.life WHERE e.name = key AND x.name = key;
    WHEN 'keep' THEN
      UPDATE ${s}.entries e SET version = (w->>'version')::bigint, last_seen = ${lastSeen()}, lock_id = w->>'lock_id' WHERE name = key;
    ELSE
      NULL;
    END CASE;
  END LOOP;
END`;

function lastSeen(): string {
  return "CASE w->>'seen' WHEN 'now' THEN t WHEN 'keep' THEN e.last_seen END";
}

export const WRITE_QUEUES = ({ s, places }: SqlPlace): string => `
DECLARE
  q jsonb;
BEGIN
  FOR q IN SELECT value FROM jsonb_array_elements(c->'queues') LOOP
    CASE q->>'kind'
    WHEN 'enqueue' THEN
      INSERT INTO ${s}.waiters (place, name, ticket, life, instance, since)
        SELECT nextval(${places}), q->>'name', q->>'ticket', (c->>'life')::bigint, q->>'instance', t
        WHERE EXISTS (SELECT 1 FROM ${s}.entries WHERE name = q->>'name')
        ON CONFLICT ON CONSTRAINT waiters_by_ticket DO NOTHING;
      UPDATE ${s}.lives SET waiting = t WHERE n = (c->>'life')::bigint;
    WHEN 'dequeue' THEN
      DELETE FROM ${s}.waiters WHERE name = q->>'name' AND ticket = q->>'ticket';
    WHEN 'offer' THEN
      -- An offer that was made is not made again, or its time would never end; one from the future says nothing.
      UPDATE ${s}.waiters SET offered = t WHERE name = q->>'name' AND ticket = q->>'ticket' AND (offered IS NULL OR offered > t);
    END CASE;
    UPDATE ${s}.entries e SET waiters = n.waiters
      FROM (SELECT count(*) AS waiters FROM ${s}.waiters WHERE name = q->>'name') n
      WHERE e.name = q->>'name' AND e.waiters <> n.waiters;
  END LOOP;
END`;
