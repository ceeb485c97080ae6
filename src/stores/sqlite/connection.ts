import { statSync } from "node:fs";
import type { Database } from "./driver.js";
import { RecentRows } from "./recent-rows.js";
import type { RegistryTokens } from "./registry-tokens.js";
import { prepareStatements, type Statements } from "./statements.js";

/** Pages of the log after which they are moved into the database. */
const CHECKPOINT_PAGES = 4_000;
/** To what the log is cut after a transaction that made it longer. */
const LOG_BYTES_MAX = 32 * 2 ** 20;

export interface ConnectionOptions {
  /** The real path of the database. */
  readonly path: string;
  readonly holdersDirectory: string;
  readonly id: string;
  readonly tokens: RegistryTokens;
  /** Every transaction is on the disk before it is told, and not those alone that change identities. */
  readonly isAlwaysDurable: boolean;
  /** For one that may only be read. */
  readonly isReadOnly: boolean;
}

/** What an operator is told of a database. */
export interface Examination {
  /** Of SQLite's; none for a sound one. */
  readonly complaints: readonly string[];
  /** How many; null for a damaged one. */
  readonly names: number | null;
  readonly layout: number;
  readonly isReadOnly: boolean;
}

/** One open database with its statements, of which the layout and the identity were checked. */
export class Connection {
  readonly path: string;
  readonly holdersDirectory: string;
  /** The registry's. */
  readonly id: string;
  readonly tokens: RegistryTokens;
  readonly isReadOnly: boolean;
  readonly sql: Statements;
  /** Tokens go on above this number. */
  tokenFloor = 0;
  /** Whether it was written since the machine started: then no power loss has taken a later token. */
  isOfThisBoot = true;
  /** What was written since the last pruning. */
  readonly upkeep = { changes: 0, holds: 0, subject: Number.NEGATIVE_INFINITY };
  readonly recent = new RecentRows();
  readonly #db: Database;
  readonly #inode: string | undefined;
  /** Of a snapshot in memory: what the files were when it was taken. */
  readonly #snapshotOf: string | undefined;
  readonly #isAlwaysDurable: boolean;
  #isDurable: boolean;

  constructor(db: Database, options: ConnectionOptions) {
    this.path = options.path;
    this.holdersDirectory = options.holdersDirectory;
    this.id = options.id;
    this.tokens = options.tokens;
    this.isReadOnly = options.isReadOnly;
    this.#isAlwaysDurable = options.isAlwaysDurable;
    this.#isDurable = options.isAlwaysDurable;
    this.#db = db;
    db.pragma(`synchronous = ${this.#isDurable ? "FULL" : "NORMAL"}`);
    db.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    db.pragma(`journal_size_limit = ${LOG_BYTES_MAX}`);
    db.pragma("temp_store = MEMORY");
    db.pragma("trusted_schema = OFF");
    this.sql = prepareStatements(db);
    this.#inode = inodeAt(options.path);
    this.#snapshotOf = db.memory ? stampOf(options.path) : undefined;
  }

  get inTransaction(): boolean {
    return this.#db.inTransaction;
  }

  /** Whether the next transaction is on the disk when it has been committed. Not to be asked for inside one. */
  setDurable(isDurable: boolean): void {
    const wanted = isDurable || this.#isAlwaysDurable;
    if (wanted === this.#isDurable) return;
    this.#db.pragma(`synchronous = ${wanted ? "FULL" : "NORMAL"}`);
    this.#isDurable = wanted;
  }

  /** What stands at the path: somebody may have put a backup there, or moved the directory away. */
  place(): "this" | "another" | "nothing" {
    const inode = inodeAt(this.path);
    if (inode === undefined) return "nothing";
    return inode === this.#inode ? "this" : "another";
  }

  /** Whether what is read here is what there is. */
  isCurrent(): boolean {
    return this.#snapshotOf === undefined || this.#snapshotOf === stampOf(this.path);
  }

  layout(): number {
    return this.#db.pragma("user_version", { simple: true }) as number;
  }

  /** Looks at every page: for an operator, since that takes its time. */
  examine(complaintsMax: number): Examination {
    const answers = this.#db.prepare(`PRAGMA quick_check(${complaintsMax})`).pluck().all() as string[];
    const complaints = answers.filter((answer) => answer !== "ok").map((answer) => answer.replaceAll("\n", " "));
    const isSound = complaints.length === 0;
    const names = isSound ? (this.#db.prepare("SELECT count(*) FROM entries").pluck().get() as number) : null;
    return { complaints, names, layout: this.layout(), isReadOnly: this.isReadOnly };
  }

  close(): void {
    this.#db.close();
  }
}

/** Changes when somebody opens the database to write. */
function stampOf(path: string): string {
  const stamps = [path, `${path}-wal`].map((file) => {
    const stats = statSync(file, { bigint: true, throwIfNoEntry: false });
    return stats === undefined ? "none" : `${stats.ino} ${stats.size} ${stats.mtimeNs}`;
  });
  return stamps.join();
}

function inodeAt(path: string): string | undefined {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stats && `${stats.dev} ${stats.ino}`;
}
