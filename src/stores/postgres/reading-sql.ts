/** Bodies of the functions that only look. */
import type { SqlPlace } from "./functions.js";

/** What every answer begins with: the server's time, and how the registry stands. */
export function headOf(t: string, r: string): string {
  return `json_build_array(${t}, ${r}.adoptions, ${r}.floor, ${r}.recovered, ${r}.holdback_ms)`;
}

/** What the contract shows of each name: an array as rows.ts reads it. */
export const LOOKED = ({ s }: SqlPlace): string => `
DECLARE
  key text;
  one json;
  found_all json[] := '{}';
BEGIN
  FOREACH key IN ARRAY names LOOP
    SELECT v.row INTO one FROM ${s}.shown v WHERE v.name = key;
    IF NOT FOUND THEN
      SELECT json_build_array(f.name, f.full_name, NULL, json_build_array(f.life, f.instance, f.pid, f.host, f.ttl_ms, f.token,
        f.acquired, f.refreshed, f.sure, false, NULL, f.id, l.beat, l.at, l.sure, false), NULL)
      INTO one FROM ${s}.formers f LEFT JOIN ${s}.lives l ON l.n = f.life WHERE f.name = key;
    END IF;
    IF one IS NULL THEN one := json_build_array(key, NULL, NULL, NULL, NULL); END IF;
    found_all := found_all || one;
  END LOOP;
  RETURN array_to_json(found_all);
END`;

/** The same words as holderKey in rows.ts. Null: nobody is in the way. */
export const HOLDER_OF = ({ s }: SqlPlace): string => `
DECLARE
  e record;
BEGIN
  SELECT x.life, x.follows, x.refreshed, l.beat INTO e
    FROM ${s}.entries x LEFT JOIN ${s}.lives l ON l.n = x.life WHERE x.name = given AND x.life IS NOT NULL;
  IF NOT FOUND THEN
    SELECT f.life, false AS follows, f.refreshed, l.beat INTO e
      FROM ${s}.formers f LEFT JOIN ${s}.lives l ON l.n = f.life WHERE f.name = given;
  END IF;
  IF NOT FOUND THEN RETURN '0 at ' || recovered; END IF;
  IF e.beat IS NULL AND recovered IS NULL THEN RETURN e.life || ' over'; END IF;
  RETURN CASE WHEN e.follows THEN e.life || ' beat ' || coalesce(e.beat, 0) ELSE e.life || ' at ' || e.refreshed END;
END`;

/** Of each ID: which name has it, and the names whose locks, standing or taken away, are of holders that act under it. */
export const USES_OF_IDS = ({ s }: SqlPlace): string => `
BEGIN
  RETURN (SELECT json_agg(json_build_array(given,
      (SELECT json_build_array(name, full_name) FROM ${s}.entries WHERE id = given),
      (SELECT json_agg(json_build_array(u.name, u.full_name) ORDER BY u.name) FROM (
        SELECT name, full_name FROM ${s}.formers WHERE id = given
        UNION SELECT name, full_name FROM ${s}.entries WHERE id = given OR lock_id = given) u)))
    FROM unnest(ids) given);
END`;

/** Names, the uses of IDs, and the note of a host's clock. */
export const LOOK = ({ s }: SqlPlace): string => `
DECLARE
  t bigint := ${s}.now_us();
  r ${s}.registry;
BEGIN
  SELECT * INTO r FROM ${s}.registry WHERE one = 1;
  RETURN json_build_object('head', ${headOf("t", "r")},
    'looked', ${s}.looked(ARRAY(SELECT jsonb_array_elements_text(c->'names'))),
    'ids', CASE WHEN c ? 'ids' THEN ${s}.uses_of_ids(ARRAY(SELECT jsonb_array_elements_text(c->'ids'))) END,
    'note', CASE WHEN c ? 'boot' THEN
      (SELECT json_build_array(low, high, steady_since, checked) FROM ${s}.clock_notes WHERE boot = c->>'boot') END);
END`;

export const PAGE = ({ s }: SqlPlace): string => `
DECLARE
  t bigint := ${s}.now_us();
  r ${s}.registry;
BEGIN
  SELECT * INTO r FROM ${s}.registry WHERE one = 1;
  RETURN json_build_object('head', ${headOf("t", "r")}, 'looked', (
    SELECT json_agg(p.row ORDER BY p.name) FROM (
      SELECT v.name, v.row FROM ${s}.shown v
      WHERE (after IS NULL OR v.name > after) AND (type IS NULL OR v.component_type = type) ORDER BY v.name LIMIT rows) p));
END`;

/** Holds that ended before a place, the last to end first. */
export const PAST = ({ s }: SqlPlace): string => {
  const page = (where: string): string => `
    SELECT json_agg(json_build_array(h.k, h.name, h.full_name, h.id, h.instance, h.pid, h.host, h.token, h.since, h.last_heartbeat,
      h.until, h.how, h.detail, h.observed) ORDER BY h.until DESC, h.k DESC)
    FROM (SELECT * FROM ${s}.holds WHERE ${where} (until, k) < (given_until, given_k)
      ORDER BY until DESC, k DESC LIMIT (c->>'rows')::integer) h`;
  return `
DECLARE
  given_until bigint := (c->>'until')::bigint;
  given_k bigint := (c->>'k')::bigint;
  given_name text := c->>'name';
  given_id text := c->>'id';
BEGIN
  IF given_name IS NOT NULL AND given_id IS NOT NULL THEN
    RETURN (${page("(name = given_name OR id = given_id) AND")});
  ELSIF given_name IS NOT NULL THEN
    RETURN (${page("name = given_name AND")});
  ELSIF given_id IS NOT NULL THEN
    RETURN (${page("id = given_id AND")});
  END IF;
  RETURN (${page("")});
END`;
};

/** What a change has taken away, as a registry file that an import takes. The escapes of texts are those of JSON. */
export const BACKUP = ({ s }: SqlPlace): string => `
BEGIN
  RETURN (SELECT '{"version": 1, "entries": {' || string_agg(
      replace(to_json(coalesce(full_name, name))::text, '\\\\', '\\') || ': ' || replace(source, '\\\\', '\\'), ', ' ORDER BY name) || '}}'
    FROM ${s}.backups WHERE change = given);
END`;
