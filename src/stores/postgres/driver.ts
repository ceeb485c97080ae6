/** node-postgres, which users install only when they use this store. */
import type Pg from "pg";
import { NameholdError } from "../../core/errors.js";

export type Driver = Pick<typeof Pg, "Client">;

/**
 * Loads pg at the first call, and not before.
 *
 * @throws NameholdError `unsupported` when it is not installed or fails to load
 */
export async function loadDriver(load: () => Promise<unknown> = () => import("pg")): Promise<Driver> {
  try {
    const loaded = (await load()) as { readonly default: Driver };
    return loaded.default;
  } catch (cause) {
    throw new NameholdError("unsupported", explain(cause), { cause });
  }
}

function explain(failure: unknown): string {
  const isMissing = failure instanceof Error && "code" in failure && String(failure.code).endsWith("MODULE_NOT_FOUND");
  return isMissing
    ? "The PostgreSQL store needs pg, which is not installed beside namehold. Run: npm install pg"
    : `The PostgreSQL store needs pg, which failed to load: ${String(failure)}. Install it anew: npm install pg`;
}
