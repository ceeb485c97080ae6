import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ConnectionOptions } from "node:tls";
import { NameholdError } from "../core/errors.js";
import { checkMs } from "./hold-timing.js";

/** What libpq reads from a URL, the environment and files, as far as it matters here. */
export interface PostgresLocation {
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly user: string;
  readonly database: string;
  /** Undefined: none is known. Never shown. */
  readonly password: () => string | undefined;
  readonly ssl: false | ConnectionOptions;
  /** Without TLS where the server has none: libpq's `prefer`. */
  readonly isTlsOptional: boolean;
  readonly schema: string;
  readonly connectionsMax: number;
  readonly timeoutMs: number | undefined;
  /** For people: without user, password and files. */
  readonly location: string;
}

export interface PostgresEnvironment {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  /** The user that the process runs as. */
  readonly userName: string;
}

const PARAMETERS = [
  "schema",
  "pool",
  "timeout",
  "host",
  "port",
  "user",
  "password",
  "dbname",
  "passfile",
  "sslmode",
  "sslrootcert",
  "sslcert",
  "sslkey",
] as const;
type Parameter = (typeof PARAMETERS)[number];

/** What libpq calls them in the environment. */
const VARIABLES: Readonly<Partial<Record<Parameter, string>>> = {
  host: "PGHOST",
  port: "PGPORT",
  user: "PGUSER",
  password: "PGPASSWORD",
  dbname: "PGDATABASE",
  passfile: "PGPASSFILE",
  sslmode: "PGSSLMODE",
  sslrootcert: "PGSSLROOTCERT",
  sslcert: "PGSSLCERT",
  sslkey: "PGSSLKEY",
};

const SSL_MODES = ["disable", "prefer", "require", "verify-ca", "verify-full"] as const;
const PORT = 5432;
const CONNECTIONS_MAX = 4;
const SCHEMA_BYTES_MAX = 63;

type Given = (parameter: Parameter) => string | undefined;

/**
 * `postgres://USER@HOST:PORT,HOST:PORT/DATABASE?schema=…&pool=…&timeout=…&sslmode=…`, with libpq's names for the rest, and its
 * environment for what is not given.
 *
 * @throws NameholdError `invalid-input`, without the location itself: there may be a password in it
 */
export function parsePostgresLocation(
  location: string,
  { env, home, userName }: PostgresEnvironment,
): PostgresLocation {
  const [, userInfo, authority = "", path = "", query] =
    /^postgres(?:ql)?:\/\/(?:([^@/?]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/i.exec(location) ??
    fail("has another form than postgres://USER@HOST:PORT/DATABASE (a password needs percent signs for @ and /)");
  // Else a part of the password would be taken for a host or a database, and those are shown.
  if (`${authority}${path}`.includes("@") || (userInfo === undefined && query?.includes("@") === true)) {
    fail("has an @ that is none between user and host: in a password write %40 for @, %2F for / and %3F for ?");
  }
  const parameters = parametersOf(query);
  const [user, password] = (userInfo ?? "").split(/:(.*)/s, 2).map(decoded);
  const inUrl: Partial<Record<Parameter, string | undefined>> = { user, password, dbname: decoded(path), host: "" };
  const given: Given = (parameter) => {
    const variable = VARIABLES[parameter];
    return (
      parameters.get(parameter) || inUrl[parameter] || (variable === undefined ? undefined : env[variable]) || undefined
    );
  };
  const hosts = hostsOf(authority, given);
  const role = given("user") ?? userName;
  const database = given("dbname") ?? role;
  const { ssl, isTlsOptional } = tlsOf(given);
  const schema = given("schema") ?? "namehold";
  if (Buffer.byteLength(schema) > SCHEMA_BYTES_MAX || schema.includes("\0") || schema.startsWith("pg_")) {
    fail(`names a schema that PostgreSQL does not take: at most ${SCHEMA_BYTES_MAX} bytes, not beginning with pg_`);
  }
  const timeout = given("timeout");
  const timeoutMs = timeout === undefined ? undefined : Number(timeout);
  if (timeoutMs !== undefined) checkMs("timeout", timeoutMs);
  return {
    hosts,
    user: role,
    database,
    password: () =>
      given("password") ?? passwordIn(given("passfile") ?? join(home, ".pgpass"), { hosts, database, user: role }),
    ssl,
    isTlsOptional,
    schema,
    connectionsMax: poolOf(given("pool")),
    timeoutMs,
    location: shown(hosts, database, schema),
  };
}

function parametersOf(query: string | undefined): ReadonlyMap<string, string> {
  const parameters = new Map(new URLSearchParams(query));
  for (const name of parameters.keys()) {
    if (!PARAMETERS.some((known) => known === name)) {
      fail(`has the parameter ${JSON.stringify(name)}, but there are only ${PARAMETERS.join(", ")}`);
    }
  }
  return parameters;
}

/** libpq's form for several: lists in both, or one port for all. */
function hostsOf(authority: string, given: Given): PostgresLocation["hosts"] {
  const ports = (given("port") ?? `${PORT}`).split(",");
  const places = (authority || given("host") || "localhost")
    .split(",")
    .map((place) => /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(place) ?? fail("names a host that is none"));
  return places.map(([, host = "", port], i) => {
    const number = Number(port ?? ports[i] ?? ports[0]);
    if (!Number.isInteger(number) || number < 1 || number > 65_535) fail("names a port that is none");
    return { host: decoded(host).replace(/^\[|\]$/g, "") || "localhost", port: number };
  });
}

function tlsOf(given: Given): Pick<PostgresLocation, "ssl" | "isTlsOptional"> {
  const asked = given("sslmode") ?? "prefer";
  const mode =
    SSL_MODES.find((one) => one === asked) ??
    fail(`asks for sslmode ${JSON.stringify(asked)}: it is one of ${SSL_MODES.join(", ")}`);
  if (mode === "disable") return { ssl: false, isTlsOptional: false };
  const rootPath = given("sslrootcert");
  const files = {
    ...(rootPath === undefined || rootPath === "system" ? {} : { ca: fileIn("sslrootcert", rootPath) }),
    ...fileOf("cert", given("sslcert")),
    ...fileOf("key", given("sslkey")),
  };
  // As libpq does: whoever names an authority wants it to be looked at.
  const isRootNamed = rootPath !== undefined;
  const verifies = mode === "verify-full" || mode === "verify-ca" || (mode === "require" && isRootNamed);
  if (!verifies) return { ssl: { ...files, rejectUnauthorized: false }, isTlsOptional: mode === "prefer" };
  if (mode === "verify-full" || rootPath === "system")
    return { ssl: { ...files, rejectUnauthorized: true }, isTlsOptional: false };
  if (!isRootNamed)
    fail("asks for sslmode verify-ca without sslrootcert: name the authority's certificate, or take verify-full");
  return { ssl: { ...files, rejectUnauthorized: true, checkServerIdentity: () => undefined }, isTlsOptional: false };
}

function fileOf(member: "cert" | "key", path: string | undefined): Pick<ConnectionOptions, "cert" | "key"> {
  return path === undefined ? {} : { [member]: fileIn(`ssl${member}`, path) };
}

function fileIn(parameter: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new NameholdError(
      "invalid-input",
      `The file ${path} that ${parameter} names cannot be read: ${String(cause)}.`,
    );
  }
}

function poolOf(pool: string | undefined): number {
  if (pool === undefined) return CONNECTIONS_MAX;
  const count = Number(pool);
  if (!Number.isInteger(count) || count < 1 || count > 100)
    fail("asks for a pool that is no number of connections from 1 to 100");
  return count;
}

/** HOST:PORT:DATABASE:USER:PASSWORD, the first line that fits. As libpq, it passes over a file that others may read. */
function passwordIn(path: string, wanted: Pick<PostgresLocation, "hosts" | "database" | "user">): string | undefined {
  const text = secretText(path);
  const lines = (text ?? "").split(/\r?\n/).filter((line) => line !== "" && !line.startsWith("#"));
  for (const line of lines) {
    const fields = (line.match(/(?:\\.|[^\\:])*(?::|$)/g) ?? []).map((field) =>
      field.replace(/:$/, "").replace(/\\(.)/g, "$1"),
    );
    const [host, port, database, user, password] = fields;
    const isHost = wanted.hosts.some(
      (one) => (host === "*" || host === one.host) && (port === "*" || port === `${one.port}`),
    );
    if (isHost && (database === "*" || database === wanted.database) && (user === "*" || user === wanted.user))
      return password;
  }
  return undefined;
}

const OTHERS = 0o077;

function secretText(path: string): string | undefined {
  try {
    return (statSync(path).mode & OTHERS) === 0 ? readFileSync(path, "utf8") : undefined;
  } catch {
    // Without one there is no password, and the server says whether it wants one.
    return undefined;
  }
}

function shown(hosts: PostgresLocation["hosts"], database: string, schema: string): string {
  const places = hosts
    .map(({ host, port }) => `${encodeURIComponent(host)}${port === PORT ? "" : `:${port}`}`)
    .join(",");
  return `postgres://${places}/${encodeURIComponent(database)}${schema === "namehold" ? "" : `?schema=${encodeURIComponent(schema)}`}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return fail("has a percent sign that begins no character");
  }
}

function fail(problem: string): never {
  throw new NameholdError("invalid-input", `The PostgreSQL location ${problem}.`);
}
