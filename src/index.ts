/** One permanent ID for every name, and at most one live process behind it. */
export type { NameChange, NameChangeKind } from "./core/changes.js";
export type { ComponentType, Holder, JsonObject, JsonValue, RegistryEntry, RegistryLock } from "./core/entry.js";
export { COMPONENT_TYPES } from "./core/entry.js";
export type { ErrorCode, HeldBy, NameholdErrorDetails } from "./core/errors.js";
export { FAILURES, isNameholdError, NameholdError, RegistryError, RegistryLockError } from "./core/errors.js";
export type { Ending, PastHold } from "./core/history.js";
export type { AcquireAnswer, LockState } from "./core/lock-rules.js";
export { NAME_LENGTH_MAX } from "./core/name.js";
export type { Loss, Revocation, Waiter } from "./core/record.js";
export type { Clock, MonotonicMs, Timer, WallMs } from "./core/timing.js";
export { Fence } from "./core/token.js";
export type { WaitInfo } from "./registry/acquire.js";
export type { ChangesOptions, RegistryChange, StoreChange } from "./registry/changes.js";
export type { Claim, ClaimEvents } from "./registry/claim.js";
export type { HeartbeatTarget } from "./registry/heartbeat.js";
export type { EndedHold, Hold, StandingHold } from "./registry/history.js";
export { stateAt } from "./registry/history.js";
export type { IdentityResolveOptions, IdentityResolverOptions, ResolveResult } from "./registry/identity-resolver.js";
export { IdentityResolver } from "./registry/identity-resolver.js";
export type { ImportChange } from "./registry/import-plan.js";
export type { LocalRegistryManagerOptions, ManagerResolveOptions } from "./registry/local-registry-manager.js";
export { LocalRegistryManager } from "./registry/local-registry-manager.js";
export type { LockManagerEvents, LockManagerOptions } from "./registry/lock-manager.js";
export { LockManager } from "./registry/lock-manager.js";
export type { OpenRegistryOptions } from "./registry/open-registry.js";
export { openRegistry } from "./registry/open-registry.js";
export type {
  ClaimOptions,
  FormerHolder,
  NamedEntry,
  Registry,
  Resolution,
  ResolveOptions,
  RevokedEntry,
} from "./registry/registry.js";
export type {
  CleanOptions,
  CleanReport,
  ImportOptions,
  ImportReport,
  ProgressOptions,
  StaleEntry,
} from "./registry/transfer.js";
export type { DamageReport, Recovery, StoreCapabilities } from "./stores/store.js";
