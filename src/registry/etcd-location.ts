import { NameholdError } from "../core/errors.js";

/** What an `etcd:` location says, with what the environment adds. */
export interface EtcdLocation {
  readonly endpoints: readonly { readonly host: string; readonly port: number }[];
  /** Undefined: the store's own. */
  readonly prefix?: string;
  /** PEM texts. Absent: plain HTTP. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly user?: string;
  readonly password?: string;
}

export interface EtcdSurroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Throws what the file system says. */
  readonly readText: (path: string) => string;
}

const PORT = 2379;
/** Each with the variables that stand in for it, ours before etcdctl's. */
const FILES = {
  ca: ["NAMEHOLD_ETCD_CACERT", "ETCDCTL_CACERT"],
  cert: ["NAMEHOLD_ETCD_CERT", "ETCDCTL_CERT"],
  key: ["NAMEHOLD_ETCD_KEY", "ETCDCTL_KEY"],
} as const;
const PARAMETERS = ["tls", ...Object.keys(FILES)];

/**
 * `etcd://HOST:PORT,HOST:PORT/PREFIX?tls=true&ca=FILE&cert=FILE&key=FILE`, all but a host may be left out. A file makes it
 * TLS. User and password: `NAMEHOLD_ETCD_USER` and `NAMEHOLD_ETCD_PASSWORD`, or etcdctl's variables, or `USER:PASSWORD@`
 * before the hosts, where others may see them. No message shows a password.
 *
 * @throws NameholdError `invalid-input`
 */
export function parseEtcdLocation(location: string, surroundings: EtcdSurroundings): EtcdLocation {
  const shown = location.replace(/^(etcd:\/{0,2})[^/?]*@/i, "$1***@");
  const [, authority, path = "", query = ""] = /^etcd:\/\/([^/?#]*)([^?#]*)(?:\?([^#]*))?$/i.exec(location) ?? [];
  if (authority === undefined) throw invalid(shown, "is not of the form etcd://HOST:PORT,HOST:PORT/PREFIX");
  const at = authority.lastIndexOf("@");
  const endpoints = authority
    .slice(at + 1)
    .split(",")
    .map((text) => endpointIn(text, shown));
  const parameters = new URLSearchParams(query);
  const unknown = [...parameters.keys()].find((key) => !PARAMETERS.includes(key));
  if (unknown !== undefined) {
    throw invalid(shown, `has the parameter ${unknown}, but there are only ${PARAMETERS.join(", ")}`);
  }
  const tls = tlsOf(parameters, surroundings, shown);
  const prefix = /^\/*$/.test(path) ? {} : { prefix: decoded(path, shown) };
  return {
    endpoints,
    ...prefix,
    ...(tls === undefined ? {} : { tls }),
    ...credentials(at < 0 ? "" : authority.slice(0, at), surroundings.env, shown),
  };
}

function endpointIn(text: string, shown: string): EtcdLocation["endpoints"][number] {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const number = port === undefined ? PORT : Number(port);
  if (host === undefined || !(number > 0 && number < 65_536)) {
    throw invalid(shown, `names ${JSON.stringify(text)} as a host: write HOST or HOST:PORT`);
  }
  return { host, port: number };
}

function tlsOf(
  parameters: URLSearchParams,
  { env, readText }: EtcdSurroundings,
  shown: string,
): EtcdLocation["tls"] | undefined {
  const tls: { ca?: string; cert?: string; key?: string } = {};
  for (const [what, variables] of Object.entries(FILES)) {
    const path = parameters.get(what) ?? variables.map((name) => env[name]).find((value) => value);
    if (path === undefined) continue;
    try {
      tls[what as keyof typeof FILES] = readText(path);
    } catch (cause) {
      throw invalid(shown, `needs the ${what} file ${path}, which cannot be read`, cause);
    }
  }
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    throw invalid(shown, "has a client certificate without its key, or a key without its certificate");
  }
  const asked = parameters.get("tls");
  if (asked !== null && asked !== "true" && asked !== "false")
    throw invalid(shown, "asks for tls neither true nor false");
  const hasFile = Object.keys(tls).length > 0;
  if (asked === "false") return undefined;
  return asked === "true" || hasFile ? tls : undefined;
}

function credentials(
  given: string,
  env: EtcdSurroundings["env"],
  shown: string,
): Pick<EtcdLocation, "user" | "password"> {
  const [user, password] =
    given === ""
      ? split(env["NAMEHOLD_ETCD_USER"] || env["ETCDCTL_USER"] || "")
      : split(given).map((part) => part && decoded(part, shown));
  if (user === undefined || user === "") return {};
  const secret = password ?? env["NAMEHOLD_ETCD_PASSWORD"] ?? env["ETCDCTL_PASSWORD"];
  if (secret === undefined) throw invalid(shown, "has a user without a password: set NAMEHOLD_ETCD_PASSWORD");
  return { user, password: secret };
}

/** At the first colon, as etcdctl does. */
function split(text: string): readonly (string | undefined)[] {
  const colon = text.indexOf(":");
  return colon < 0 ? [text, undefined] : [text.slice(0, colon), text.slice(colon + 1)];
}

function decoded(text: string, shown: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Its cause would show what was to be decoded.
    throw invalid(shown, "has a percent sign that is not part of a %XX");
  }
}

function invalid(shown: string, problem: string, cause?: unknown): NameholdError {
  return new NameholdError("invalid-input", `The location ${JSON.stringify(shown)} ${problem}.`, { cause });
}
