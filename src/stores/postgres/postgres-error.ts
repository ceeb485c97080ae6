import { type ErrorCode, NameholdError, RegistryError } from "../../core/errors.js";

/** No answer came to a statement that was sent: whether it was done is not known. */
export class LostReply extends Error {}

/** The five letters by which PostgreSQL names a failure; undefined for any other error. */
export function sqlStateOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return undefined;
  return "severity" in error && /^[0-9A-Z]{5}$/.test(error.code) ? error.code : undefined;
}

/** Nothing was written, and the same statement may well be done the next time: a deadlock, or rows that came in between. */
export function isCollision(error: unknown): boolean {
  return /^(40001|40P01|23505)$/.test(sqlStateOf(error) ?? "");
}

/** The schema, or what should be in it, is not there. */
export function isMissingSchema(error: unknown): boolean {
  return /^(3F000|42883|42P01)$/.test(sqlStateOf(error) ?? "");
}

/** The server ends the connection: what it was doing may or may not have been done. */
export function endsConnection(error: unknown): boolean {
  return /^(57P0|08|XX)/.test(sqlStateOf(error) ?? "");
}

/**
 * Gives a failure its name in namehold's table, with the remedy. Nothing of how the connection was asked for is in it: pg's
 * errors do not carry the password, and their causes are cut off in case that they do one day.
 *
 * @param location without secrets
 * @see docs/SPEC.md#G11
 */
export function storageErrorOf(error: unknown, location: string): NameholdError {
  if (error instanceof NameholdError) return error;
  const state = sqlStateOf(error);
  const reported = error instanceof Error ? error.message : String(error);
  if (error instanceof LostReply) return new RegistryError("unreachable", `${location}: ${reported}`);
  if (state === undefined) {
    // What pg says where the server wants a password and there is none.
    if (reported.startsWith("SASL:"))
      return new RegistryError("invalid-input", `${location}: ${PASSWORD} (${reported}).`);
    return unreachable(location, error, reported);
  }
  const [, code, says] = KNOWN.find(([prefix]) => state.startsWith(prefix)) ?? ["", "storage-failed", "it failed"];
  return new RegistryError(code, `${location}: ${says} (PostgreSQL says ${state}: ${reported}).`);
}

function unreachable(location: string, error: unknown, reported: string): RegistryError {
  const tls = error instanceof Error && "code" in error && /CERT|SSL|TLS|SELF_SIGNED|ALTNAME/i.test(String(error.code));
  const remedy = tls
    ? "Check sslmode and sslrootcert, and the server's certificate"
    : "Check that the server runs and that this machine reaches it";
  return new RegistryError("unreachable", `${location} cannot be reached: ${reported || codeOf(error)}. ${remedy}.`);
}

/** What Node gives where several addresses have failed has no message of its own. */
function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "it does not answer";
}

const PASSWORD = "the server refuses this user; check the user, the password (PGPASSWORD, PGPASSFILE) and pg_hba.conf";

const KNOWN: readonly (readonly [prefix: string, code: ErrorCode, says: string])[] = [
  ["28", "invalid-input", PASSWORD],
  ["3D000", "invalid-input", "there is no such database; create it, or name another one"],
  ["42501", "read-only", "this user lacks a right; an owner must grant it: see docs/stores.md"],
  ["25006", "read-only", "the server is a standby, or set to read only; name the primary"],
  [
    "NH001",
    "unsupported",
    "this store needs READ COMMITTED; for this user or database run: ALTER ROLE … SET default_transaction_isolation = 'read committed'",
  ],
  ["53300", "busy", "the server has no connection left; raise max_connections, set ?pool=1, or put a pooler before it"],
  ["53100", "storage-failed", "the server's disk is full, and nothing was changed; free some space and try again"],
  ["53", "busy", "the server is short of a resource; try again"],
  ["55P03", "busy", "another transaction keeps the rows locked; find it in pg_stat_activity"],
  ["57014", "busy", "the statement was cancelled (statement_timeout, or by an operator); try again"],
  ["57P03", "unreachable", "the server is starting, stopping or recovering; try again"],
  ["57P", "unreachable", "the server has ended the connection; try again"],
  ["08", "unreachable", "the connection failed; try again"],
  ["XX001", "damaged", "the database is damaged; restore a backup"],
  ["XX002", "damaged", "an index is damaged; run REINDEX"],
];
