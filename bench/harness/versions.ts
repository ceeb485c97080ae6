import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Servers } from "../servers/servers.ts";

const PACKAGES = ["proper-lockfile", "ioredis", "redlock", "pg", "etcd3", "koffi", "better-sqlite3"];

export interface VersionInUse {
  readonly what: string;
  readonly version: string;
  readonly settings: string;
}

/** The packages that were measured, and the servers that were started. */
export async function versionsInUse(servers: Servers): Promise<readonly VersionInUse[]> {
  const started = await servers.describe();
  return [
    ...PACKAGES.map((what) => ({ what, version: packageVersion(what), settings: "" })),
    ...started.map(({ kind, answer }) =>
      "missing" in answer
        ? { what: kind, version: "not measured", settings: answer.missing }
        : { what: kind, version: answer.version, settings: answer.settings },
    ),
  ];
}

/** koffi and better-sqlite3 are the checkout's own: the peers run on the binaries that namehold runs on. */
function packageVersion(name: string): string {
  const require = createRequire(import.meta.url);
  const places = require.resolve.paths(name) ?? [];
  for (const place of places) {
    try {
      return (JSON.parse(readFileSync(`${place}/${name}/package.json`, "utf8")) as { version: string }).version;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return "not installed";
}
