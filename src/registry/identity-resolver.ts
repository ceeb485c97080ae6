import type { ComponentType, JsonObject } from "../core/entry.js";
import { LocalRegistryManager } from "./local-registry-manager.js";

export interface IdentityResolverOptions {
  /** Default: a new one over the lab's own registry file. */
  readonly localRegistry?: LocalRegistryManager;
}

export interface IdentityResolveOptions {
  readonly metadata?: JsonObject;
  /** How long to wait for a held name, in milliseconds. Default: do not wait. */
  readonly retryTimeoutMs?: number;
}

/** Source: `RegistryResolveResult` of madsci.common.types.registry_types. */
export interface ResolveResult {
  readonly name: string;
  readonly id: string;
  readonly componentType: ComponentType;
  /** Whether the ID was made by this call. */
  readonly isNew: boolean;
  readonly source: "local";
}

/**
 * How a component gets its identity, as in the reference: it resolves its name when it starts and releases it when it
 * ends. The local tier of the reference's `IdentityResolver`.
 */
export class IdentityResolver implements AsyncDisposable {
  readonly localRegistry: LocalRegistryManager;

  constructor(options: IdentityResolverOptions = {}) {
    this.localRegistry = options.localRegistry ?? new LocalRegistryManager();
  }

  /** @throws RegistryLockError `held` or `wait-timeout` */
  async resolve(name: string, componentType: ComponentType, options: IdentityResolveOptions = {}): Promise<string> {
    return (await this.resolveWithInfo(name, componentType, options)).id;
  }

  /** As `resolve`, and where the ID came from. */
  async resolveWithInfo(
    name: string,
    componentType: ComponentType,
    options: IdentityResolveOptions = {},
  ): Promise<ResolveResult> {
    const { id, isNew } = await this.localRegistry.resolveWithInfo(name, componentType, options);
    return { name, id, componentType, isNew, source: "local" };
  }

  lookup(name: string): Promise<string | null> {
    return this.localRegistry.lookup(name);
  }

  release(name: string): Promise<void> {
    return this.localRegistry.release(name);
  }

  /** Releases every name that this process holds here. */
  releaseAll(): Promise<void> {
    return this.localRegistry.releaseAll();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.localRegistry.close();
  }
}
