/** What a peer needs beside this package. */
export type ServerKind = "redis" | "redis-aof" | "postgres" | "etcd" | "madsci";

/** Started, and where. */
export interface Started {
  readonly url: string;
  readonly version: string;
  /** Whose children work for it as well. Absent where there is no process. */
  readonly pid?: number | undefined;
  /** As far as they matter for what is measured; durability above all. */
  readonly settings: string;
  /** Ends it, by its own process id. */
  stop(): Promise<void>;
}

/** Not there: what is missing and how to get it. */
export interface Missing {
  readonly missing: string;
}

export type Start = (directory: string) => Promise<Started | Missing>;
