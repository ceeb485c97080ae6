import type { WallMs } from "./timing.js";

/** What a component may be. Source: `ComponentType` of madsci.common.types.registry_types. */
export const COMPONENT_TYPES = ["node", "module", "manager", "experiment", "workcell"] as const;
export type ComponentType = (typeof COMPONENT_TYPES)[number];

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export type JsonObject = { readonly [key: string]: JsonValue };

/** The time-bounded right to use a name. All times are wall-clock milliseconds. */
export interface RegistryLock {
  readonly holderPid: number;
  readonly holderHost: string;
  /** Opaque to everybody but its holder; namehold's own are ULIDs. */
  readonly holderInstance: string;
  readonly acquiredAt: WallMs;
  readonly heartbeatAt: WallMs;
  readonly expiresAt: WallMs;
}

/** A name's record. Entries are values: nothing in namehold mutates one. */
export interface RegistryEntry {
  /** The permanent ID, a ULID. */
  readonly id: string;
  readonly componentType: ComponentType;
  readonly createdAt: WallMs;
  readonly lastSeen: WallMs;
  readonly metadata: JsonObject;
  readonly lock: RegistryLock | null;
  readonly workcellId: string | null;
}

/** One process's life as a holder of names. */
export interface Holder {
  readonly instance: string;
  readonly pid: number;
  readonly host: string;
  /** How long this holder's locks live without a refresh, in milliseconds. */
  readonly ttlMs: number;
}
