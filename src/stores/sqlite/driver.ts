/** better-sqlite3, which users install only when they use this store. */
import { createRequire } from "node:module";
import type BetterSqlite3 from "better-sqlite3";
import { NameholdError } from "../../core/errors.js";

export type Database = BetterSqlite3.Database;
export type Driver = typeof BetterSqlite3;

/** On older versions better-sqlite3 ends the process with a segmentation fault. */
const NODE_MIN = [22, 14] as const;

/**
 * Loads better-sqlite3 at the first call, and not before.
 *
 * @throws NameholdError `unsupported` when it is not installed, has no binary for this machine, or Node is too old
 */
export function loadDriver(
  load: (module: string) => unknown = createRequire(import.meta.url),
  nodeVersion: string = process.versions.node,
): Driver {
  const [major = 0, minor = 0] = nodeVersion.split(".").map(Number);
  if (major < NODE_MIN[0] || (major === NODE_MIN[0] && minor < NODE_MIN[1])) {
    throw new NameholdError(
      "unsupported",
      `The SQLite store needs Node.js ${NODE_MIN.join(".")} or newer, and this is ${nodeVersion}.`,
    );
  }
  try {
    return load("better-sqlite3") as Driver;
  } catch (cause) {
    throw new NameholdError("unsupported", explain(cause), { cause });
  }
}

function explain(failure: unknown): string {
  const isMissing = failure instanceof Error && "code" in failure && failure.code === "MODULE_NOT_FOUND";
  return isMissing
    ? "The SQLite store needs better-sqlite3, which is not installed beside namehold. Run: npm install better-sqlite3"
    : `The SQLite store needs better-sqlite3, which failed to load: ${String(failure)}. Install it anew: npm install better-sqlite3`;
}
