/** The one place that knows the concrete stores. */
import { homedir } from "node:os";
import { NameholdError } from "../core/errors.js";
import { discoverRegistryPath, expandHome } from "../platform/registry-path.js";
import { JsonFileStore } from "../stores/json-file/json-file-store.js";
import { checkMs } from "./hold-timing.js";
import { LockManager } from "./lock-manager.js";
import { Registry } from "./registry.js";
import { parseSqliteLocation } from "./sqlite-location.js";

export interface OpenRegistryOptions {
  /** See LockManagerOptions. */
  readonly instanceId?: string;
  readonly lockTtlMs?: number;
  readonly heartbeatIntervalMs?: number;
  /** How long one operation may wait for the registry file or database, in milliseconds. Default 5 000, as the reference. */
  readonly fileLockTimeoutMs?: number;
}

/**
 * Opens a registry; the location picks the store.
 *
 * @param location a path or `file:` URL of a registry file, or `sqlite:PATH` (with `?durability=full`: every change is on
 *   the disk before it is told, and not those of identities alone). When not given, the lab's own `.madsci/registry.json`,
 *   found as MADSci finds it: MADSCI_REGISTRY_PATH, else upwards from MADSCI_SETTINGS_DIR or the working directory
 * @throws NameholdError `unsupported` for a store that this version does not have, or that needs a package that is not
 *   installed; `invalid-input`
 */
export async function openRegistry(location?: string, options: OpenRegistryOptions = {}): Promise<Registry> {
  const { fileLockTimeoutMs, ...managerOptions } = options;
  const lockManager = new LockManager(managerOptions);
  return location !== undefined && /^sqlite:/i.test(location)
    ? openSqliteRegistry(location, lockManager, fileLockTimeoutMs)
    : openFileRegistry(location, lockManager, fileLockTimeoutMs);
}

async function openSqliteRegistry(location: string, lockManager: LockManager, timeoutMs = 5_000): Promise<Registry> {
  checkMs("fileLockTimeoutMs", timeoutMs);
  const { path, durability } = parseSqliteLocation(location, (given) => expandHome(given, homedir()));
  // Not loaded by those who do not use it.
  const { SqliteStore } = await import("../stores/sqlite/sqlite-store.js");
  const store = new SqliteStore(path, { clock: lockManager.clock, timeoutMs, durability });
  return new Registry(`sqlite:${store.path}`, store, lockManager);
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
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(location)?.[1];
  if (scheme === undefined) return expandHome(location, homedir());
  throw new NameholdError(
    "unsupported",
    `This version has no store for ${scheme}: locations. Give the path of a registry file, a file: URL, or sqlite:PATH.`,
  );
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
