import type { ComponentType, JsonObject, RegistryEntry } from "../core/entry.js";
import { type HeldBy, isNameholdError } from "../core/errors.js";
import type { WaitInfo } from "./acquire.js";
import { LockManager } from "./lock-manager.js";
import { openFileRegistry } from "./open-registry.js";
import type { ClaimOptions, Registry, Resolution } from "./registry.js";
import type { CleanOptions, ImportOptions, ImportReport } from "./transfer.js";

export interface LocalRegistryManagerOptions {
  /** Default: the lab's `.madsci/registry.json`, found as MADSci finds it. */
  readonly registryPath?: string;
  /** Default: a new one. */
  readonly lockManager?: LockManager;
  /** How long one operation may wait for the registry file, in milliseconds. Default 5 000. */
  readonly fileLockTimeoutMs?: number;
}

export interface ManagerResolveOptions {
  readonly metadata?: JsonObject;
  /** Default true. */
  readonly acquireLock?: boolean;
  /** How long to wait for a held name, in milliseconds. Default: do not wait. A waiter is woken; it does not poll. */
  readonly retryTimeoutMs?: number;
  /** Accept a name that is registered as another type, as the reference does. Default false. */
  readonly allowTypeMismatch?: boolean;
}

/**
 * The reference's `LocalRegistryManager` by its method names, on the same machinery as `openRegistry` (`registry`).
 * Where the reference answers 'none' or `{}` for 'could not look', this one throws.
 */
export class LocalRegistryManager implements AsyncDisposable {
  readonly registry: Registry;
  readonly lockManager: LockManager;

  constructor(options: LocalRegistryManagerOptions = {}) {
    this.lockManager = options.lockManager ?? new LockManager();
    this.registry = openFileRegistry(options.registryPath, this.lockManager, options.fileLockTimeoutMs);
  }

  get registryPath(): string {
    return this.registry.location;
  }

  /**
   * The name's ID; a name that does not exist is made. With `acquireLock`, the name is ours from now on, kept by a
   * heartbeat until `release`; to resolve it again is fine.
   *
   * @throws RegistryLockError `held` or `wait-timeout`
   * @throws RegistryError `type-mismatch`
   */
  async resolve(name: string, componentType: ComponentType, options: ManagerResolveOptions = {}): Promise<string> {
    return (await this.resolveWithInfo(name, componentType, options)).id;
  }

  /** As `resolve`, and whether the name was made by it. */
  async resolveWithInfo(
    name: string,
    componentType: ComponentType,
    options: ManagerResolveOptions = {},
  ): Promise<Resolution> {
    const { metadata, acquireLock = true, retryTimeoutMs = 0, allowTypeMismatch = false } = options;
    const request = { type: componentType, allowTypeMismatch, ...(metadata === undefined ? {} : { metadata }) };
    if (!acquireLock) return this.registry.resolveWithInfo(name, request);
    if (this.registry.claimed(name)?.held === true) {
      this.lockManager.startHeartbeat(name, this);
      return this.registry.resolveWithInfo(name, request);
    }
    return this.#claim(name, { ...request, waitMs: retryTimeoutMs });
  }

  async #claim(name: string, options: ClaimOptions): Promise<Resolution> {
    // Another call of this very instance may get the name first: to have resolved it again is fine, as in the reference.
    const isOurs = (heldBy: HeldBy | null | undefined): boolean => heldBy?.instance === this.lockManager.instanceId;
    const ours = new AbortController();
    const onWait = ({ heldBy }: WaitInfo): void => {
      if (isOurs(heldBy)) ours.abort();
    };
    try {
      const { id, isNew } = await this.registry.claim(name, { ...options, onWait, signal: ours.signal });
      return { id, isNew };
    } catch (error) {
      const isTaken = isNameholdError(error, "held") && error.details.name === name && isOurs(error.details.heldBy);
      if (!isTaken && !ours.signal.aborted) throw error;
      return this.registry.resolveWithInfo(name, options);
    }
  }

  /** The name's ID, or null when there is no such name. */
  lookup(name: string): Promise<string | null> {
    return this.registry.lookup(name);
  }

  async getEntry(name: string): Promise<RegistryEntry | null> {
    return (await this.registry.entry(name))?.entry ?? null;
  }

  /**
   * Refreshes the lock on the name now, beside its heartbeat.
   *
   * @throws RegistryLockError `lost` when it is not ours
   */
  refreshLock(name: string): Promise<void> {
    return this.registry.refresh(name);
  }

  /** Stops the heartbeat and gives the lock up. A lock of another is left alone. */
  async release(name: string): Promise<void> {
    this.lockManager.heartbeat.forget(name, this.registry);
    await this.registry.claimed(name)?.release();
  }

  /** Gives up all locks of this process on names of this registry, where the reference only stops their heartbeats. */
  releaseAll(): Promise<void> {
    return this.registry.releaseAll();
  }

  /** @throws RegistryError `not-found`, `already-exists` @throws RegistryLockError `held` without `force` */
  rename(oldName: string, newName: string, options: { readonly force?: boolean } = {}): Promise<string> {
    return this.registry.rename(oldName, newName, options);
  }

  /** Entries by name. Without `includeStale`, those with an expired lock are left out, as in the reference. */
  async listEntries(
    options: { readonly componentType?: ComponentType; readonly includeStale?: boolean } = {},
  ): Promise<readonly (readonly [name: string, entry: RegistryEntry])[]> {
    const { componentType, includeStale = false } = options;
    const entries: (readonly [string, RegistryEntry])[] = [];
    for await (const { name, entry, state } of this.registry.list(
      componentType === undefined ? {} : { componentType },
    )) {
      if (!includeStale && entry.lock !== null && state.kind === "free") continue;
      entries.push([name, entry]);
    }
    return entries;
  }

  /** @returns the names removed, or that would be with `dryRun` */
  async cleanStale(options: CleanOptions = {}): Promise<readonly string[]> {
    return (await this.registry.clean(options)).removed.map(({ name }) => name);
  }

  /** The registry as JSON text without locks: text, because JavaScript objects cannot carry `1.0` or big integers. */
  export(): Promise<string> {
    return this.registry.exportText();
  }

  importEntries(data: string | JsonObject, options: ImportOptions = {}): Promise<ImportReport> {
    return this.registry.importEntries(data, options);
  }

  close(): Promise<void> {
    return this.registry.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
