import type { ConnectionOptions } from "node:tls";

/** Where a registry in PostgreSQL is, and how to get there. What is not given is pg's default. */
export interface PostgresSettings {
  /** In the order in which they are tried; the first that takes writes is used. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly user: string;
  readonly database: string;
  /** Asked for at each connection. */
  readonly password?: () => Promise<string | undefined> | string | undefined;
  readonly ssl: boolean | ConnectionOptions;
  /** Without TLS where the server has none. Default false. */
  readonly isTlsOptional?: boolean;
  /** The schema that everything is in. Default `namehold`. */
  readonly schema?: string;
  /** How many connections at most, beside the one that listens. Default 4. */
  readonly connectionsMax?: number;
  /** For people and logs: without secrets. */
  readonly location: string;
}
