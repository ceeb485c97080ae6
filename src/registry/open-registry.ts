/** The one place that knows the concrete stores. */
import { readFileSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { NameholdError } from "../core/errors.js";
import { discoverRegistryPath, expandHome } from "../platform/registry-path.js";
import { JsonFileStore } from "../stores/json-file/json-file-store.js";
import { checkMs } from "./hold-timing.js";
import { LockManager } from "./lock-manager.js";
import { Registry } from "./registry.js";

export interface OpenRegistryOptions {
  /** See LockManagerOptions. */
  readonly instanceId?: string;
  readonly lockTtlMs?: number;
  readonly heartbeatIntervalMs?: number;
  /**
   * How long one operation may wait for the registry file or database, or for a server's answer, in milliseconds. Default
   * 5 000, as the reference.
   */
  readonly fileLockTimeoutMs?: number;
}

/**
 * Opens a registry; the location picks the store:
 *
 * - a path or `file:` URL of a registry file. When not given, the lab's own `.madsci/registry.json`, found as MADSci finds
 *   it: MADSCI_REGISTRY_PATH, else upwards from MADSCI_SETTINGS_DIR or the working directory
 * - `sqlite:PATH`, with `?durability=full`: every change is on the disk before it is told, and not those of identities alone
 * - `postgres://USER@HOST:PORT/DATABASE`, `etcd://HOST:PORT,HOST:PORT/PREFIX`: docs/stores.md has their parameters
 *
 * Nothing is asked of a server yet: one that cannot be reached is told of by the first call.
 *
 * @throws NameholdError `unsupported` for a store that this version does not have, or that needs a package that is not
 *   installed; `invalid-input`
 */
export async function openRegistry(location?: string, options: OpenRegistryOptions = {}): Promise<Registry> {
  const { fileLockTimeoutMs = 5_000, ...managerOptions } = options;
  checkMs("fileLockTimeoutMs", fileLockTimeoutMs);
  const lockManager = new LockManager(managerOptions);
  switch (schemeOf(location ?? "")) {
    case "sqlite":
      return openSqliteRegistry(location ?? "", lockManager, fileLockTimeoutMs);
    case "postgres":
    case "postgresql":
      return openPostgresRegistry(location ?? "", lockManager, fileLockTimeoutMs);
    case "etcd":
      return openEtcdRegistry(location ?? "", lockManager, fileLockTimeoutMs);
    default:
      return openFileRegistry(location, lockManager, fileLockTimeoutMs);
  }
}

// Stores are not loaded by those who do not use them.

async function openSqliteRegistry(location: string, lockManager: LockManager, timeoutMs: number): Promise<Registry> {
  const { parseSqliteLocation } = await import("./sqlite-location.js");
  const { path, durability } = parseSqliteLocation(location, (given) => expandHome(given, homedir()));
  const { SqliteStore } = await import("../stores/sqlite/sqlite-store.js");
  const store = new SqliteStore(path, { clock: lockManager.clock, timeoutMs, durability });
  return new Registry(`sqlite:${store.path}`, store, lockManager);
}

async function openPostgresRegistry(location: string, lockManager: LockManager, timeoutMs: number): Promise<Registry> {
  const { parsePostgresLocation } = await import("./postgres-location.js");
  const surroundings = { env: process.env, home: homedir(), userName: userInfo().username };
  const { timeoutMs: ownTimeoutMs = timeoutMs, ...settings } = parsePostgresLocation(location, surroundings);
  const { openPostgresStore } = await import("../stores/postgres/postgres-store.js");
  const store = await openPostgresStore(settings, {
    clock: lockManager.clock,
    timeoutMs: answeredWithin(ownTimeoutMs, lockManager),
  });
  return new Registry(store.location, store, lockManager);
}

async function openEtcdRegistry(location: string, lockManager: LockManager, timeoutMs: number): Promise<Registry> {
  const { parseEtcdLocation } = await import("./etcd-location.js");
  const readText = (path: string): string => readFileSync(expandHome(path, homedir()), "utf8");
  const settings = parseEtcdLocation(location, { env: process.env, readText });
  const { EtcdStore } = await import("../stores/etcd/etcd-store.js");
  const store = new EtcdStore({
    ...settings,
    clock: lockManager.clock,
    timeoutMs: answeredWithin(timeoutMs, lockManager),
  });
  return new Registry(store.location, store, lockManager);
}

/** A heartbeat that gets no answer must leave the time for another. */
function answeredWithin(timeoutMs: number, { lockTtlMs }: LockManager): number {
  return Math.min(timeoutMs, Math.ceil(lockTtlMs / 3));
}

export function openFileRegistry(
  location: string | undefined,
  lockManager: LockManager,
  fileLockTimeoutMs = 5_000,
): Registry {
  checkMs("fileLockTimeoutMs", fileLockTimeoutMs);
  const store = new JsonFileStore(registryFileOf(location), { clock: lockManager.clock, fileLockTimeoutMs });
  return new Registry(store.path, store, lockManager);
}

/**
 * The registry file that a location means. Makes nothing.
 *
 * @throws NameholdError `unsupported` for a location that is no file's, `invalid-input`
 */
export function registryFileOf(location: string | undefined): string {
  return location === undefined ? defaultPath() : pathOf(location);
}

function defaultPath(): string {
  return discoverRegistryPath({ env: process.env, cwd: process.cwd(), home: homedir() });
}

function pathOf(location: string): string {
  if (location === "") throw new NameholdError("invalid-input", "The path of the registry is empty. Name a file.");
  if (location.startsWith("file:")) return filePath(location);
  const scheme = schemeOf(location);
  if (scheme === undefined) return expandHome(location, homedir());
  throw new NameholdError(
    "unsupported",
    `There is no registry file behind ${scheme}: locations, and no store of this version. Give the path of a registry file, a file: URL, sqlite:PATH, postgres://HOST/DATABASE, or etcd://HOST.`,
  );
}

/** In small letters. Not the drive of a Windows path. */
function schemeOf(location: string): string | undefined {
  return /^([a-z][a-z0-9+.-]+):/i.exec(location)?.[1]?.toLowerCase();
}

function filePath(url: string): string {
  try {
    return url.startsWith("file://")
      ? decodeURIComponent(new URL(url).pathname)
      : expandHome(url.slice("file:".length), homedir());
  } catch (cause) {
    throw new NameholdError("invalid-input", `${JSON.stringify(url)} is no valid file: URL.`, { cause });
  }
}
