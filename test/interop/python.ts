import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type Answer, JsonLineProcess } from "./json-line-process.js";

/**
 * The filelock versions that behave differently on release. Up to 3.20.3 the lock file is kept, and a lock on a file that
 * was deleted meanwhile goes unnoticed; 3.20.4 to 3.29.4 delete it; from 3.29.5 it is kept, and a deletion is noticed.
 */
export const FILELOCK_VERSIONS = ["3.20.3", "3.25.0", "3.29.4", "4.2.12"] as const;
export type FilelockVersion = (typeof FILELOCK_VERSIONS)[number];
export const MADSCI_VERSIONS = ["0.8.1", "0.7.1"] as const;
export type MadsciVersion = (typeof MADSCI_VERSIONS)[number];

/** An entry as Python reads it, in its own spelling. */
export interface PythonEntry {
  readonly id: string;
  readonly component_type: string;
  readonly created_at: string;
  readonly last_seen: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly lock: {
    readonly holder_pid: number;
    readonly holder_host: string;
    readonly holder_instance: string;
    readonly acquired_at: string;
    readonly heartbeat_at: string;
    readonly expires_at: string;
  } | null;
  readonly workcell_id: string | null;
}

export interface HeartbeatReport {
  readonly failures: readonly { readonly atMs: number; readonly message: string }[];
  readonly refreshes: number;
  readonly slowestRefreshMs: number;
}

export interface PythonOptions {
  /** The registry file; `null` lets MADSci find it from `cwd` and `env`. */
  readonly path: string | null;
  readonly filelock?: FilelockVersion;
  readonly madsci?: MadsciVersion;
  /** Lock TTL and heartbeat interval of the reference, in seconds as there; its defaults are 30 and 10. */
  readonly ttlSeconds?: number;
  readonly intervalSeconds?: number;
  readonly instance?: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export interface PythonResolveOptions {
  readonly type?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly acquire?: boolean;
  readonly retrySeconds?: number;
}

/** A Python node: a process with the real LocalRegistryManager, LockManager and IdentityResolver (driver.py). */
export class PythonNode implements AsyncDisposable {
  readonly process: JsonLineProcess;
  readonly instance: string;
  readonly host: string;
  readonly path: string;
  readonly versions: { readonly filelock: string; readonly madsci: string };

  private constructor(driven: JsonLineProcess, opened: Opened) {
    this.process = driven;
    this.instance = opened.instance;
    this.host = opened.host;
    this.path = opened.path;
    this.versions = { filelock: opened.filelock, madsci: opened.madsci };
  }

  static async start(options: PythonOptions): Promise<PythonNode> {
    const { filelock = "3.25.0", madsci = "0.8.1", path, ttlSeconds, intervalSeconds, instance } = options;
    const home = interopHome();
    const driven = await JsonLineProcess.spawn({
      command: `${home}/madsci-${madsci}/bin/python`,
      args: [fileURLToPath(new URL("driver.py", import.meta.url))],
      cwd: options.cwd,
      env: { PYTHONPATH: `${home}/filelock-${filelock}`, PYTHONDONTWRITEBYTECODE: "1", ...options.env },
    });
    const opened = await driven.call<Opened>("open", { path, ttlSeconds, intervalSeconds, instance });
    if (opened.filelock !== filelock || opened.madsci !== madsci) {
      throw new Error(`wanted filelock ${filelock} and madsci ${madsci}, have ${opened.filelock} and ${opened.madsci}`);
    }
    return new PythonNode(driven, opened);
  }

  get pid(): number {
    return this.process.pid;
  }

  /** Answers the id. Acquires the lock and starts the heartbeat unless `acquire` is false. */
  resolve(name: string, options: PythonResolveOptions = {}): Promise<string> {
    return this.process.call("resolve", { name, ...options });
  }

  timedResolve(name: string, options: PythonResolveOptions = {}): Promise<Answer<string>> {
    return this.process.timed("resolve", { name, ...options });
  }

  lookup(name: string): Promise<string | null> {
    return this.process.call("lookup", { name });
  }

  entry(name: string): Promise<PythonEntry | null> {
    return this.process.call("get_entry", { name });
  }

  refresh(name: string): Promise<null> {
    return this.process.call("refresh", { name });
  }

  release(name: string): Promise<null> {
    return this.process.call("release", { name });
  }

  rename(oldName: string, newName: string, force = false): Promise<string> {
    return this.process.call("rename", { old_name: oldName, new_name: newName, force });
  }

  list(includeStale = false): Promise<readonly (readonly [string, PythonEntry])[]> {
    return this.process.call("list", { includeStale });
  }

  cleanStale(olderThanDays: number, dryRun = false): Promise<readonly string[]> {
    return this.process.call("clean", { older_than_days: olderThanDays, dry_run: dryRun });
  }

  export(): Promise<{ readonly version: number; readonly entries: Readonly<Record<string, PythonEntry>> }> {
    return this.process.call("export");
  }

  importEntries(data: object, merge: boolean): Promise<null> {
    return this.process.call("import", { data, merge });
  }

  stopHeartbeat(name: string): Promise<null> {
    return this.process.call("stop_heartbeat", { name });
  }

  /** Holds PATH.lock itself; with `seconds`, until then. */
  takeFileLock(seconds?: number): Promise<{ readonly lockFileExists: boolean }> {
    return this.process.call("take_file_lock", seconds === undefined ? {} : { seconds });
  }

  dropFileLock(): Promise<{ readonly dropped: boolean }> {
    return this.process.call("drop_file_lock");
  }

  /** Counts up in the metadata of an own name, looking at every step that the last one is still in the file. */
  countUp(name: string, times: number): Promise<{ readonly counter: number; readonly ids: readonly string[] }> {
    return this.process.call("count_up", { name, times });
  }

  /** Rewrites the file in a loop from now on, to be killed in mid-write. */
  writeForever(name: string): Promise<null> {
    return this.process.call("write_forever", { name });
  }

  /** Resolves with a metadata value that Python cannot serialise, which empties the file. */
  resolveUnserialisable(name: string): Promise<never> {
    return this.process.call("resolve_unserialisable", { name });
  }

  /** From now on no file that this process writes can grow beyond `bytes`: its disk is full. */
  fillDisk(bytes: number): Promise<null> {
    return this.process.call("fill_disk", { bytes });
  }

  /** The text that Python would write for what is in the file now. */
  asPythonWrites(): Promise<string> {
    return this.process.call("as_python_writes");
  }

  heartbeats(): Promise<HeartbeatReport> {
    return this.process.call("heartbeat_report");
  }

  warnings(): Promise<readonly string[]> {
    return this.process.call("warnings");
  }

  kill(): Promise<void> {
    return this.process.kill();
  }

  stop(): Promise<number | null> {
    return this.process.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process.kill();
  }
}

interface Opened {
  readonly path: string;
  readonly instance: string;
  readonly host: string;
  readonly filelock: string;
  readonly madsci: string;
}

let home: string | undefined;

/** Where the Python versions are; makes them on first use. Throws with what is missing: never skips. */
function interopHome(): string {
  if (home === undefined) {
    const setup = spawnSync(fileURLToPath(new URL("setup.sh", import.meta.url)), { encoding: "utf8" });
    if (setup.status !== 0) throw new Error(setup.error?.message ?? setup.stderr);
    home = setup.stdout.trim();
  }
  return home;
}
