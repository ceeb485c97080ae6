import pg from "pg";
import { LockManager, type LockManagerOptions } from "../../src/registry/lock-manager.js";
import { Registry } from "../../src/registry/registry.js";
import { PostgresStore, type PostgresStoreOptions } from "../../src/stores/postgres/postgres-store.js";
import type { PostgresSettings } from "../../src/stores/postgres/settings.js";

export interface LabOptions extends LockManagerOptions {
  readonly timeoutMs?: number;
}

/** A registry as one process has it. */
export function openLab(settings: PostgresSettings, { timeoutMs, ...options }: LabOptions = {}): Registry {
  const lockManager = new LockManager(options);
  const storeOptions: PostgresStoreOptions = {
    clock: lockManager.clock,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
  return new Registry(settings.location, new PostgresStore(pg, settings, storeOptions), lockManager);
}

/** A TTL that a test can sit out. */
export const SHORT = { lockTtlMs: 1_500, heartbeatIntervalMs: 300 } as const;
