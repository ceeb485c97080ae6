import { execFile, execFileSync } from "node:child_process";
import { chownSync, globSync } from "node:fs";
import { promisify } from "node:util";
import type { Start } from "./server.ts";
import { findProgram, freePort, startServer, type UserIds, versionOf } from "./server-process.ts";

/** Eight processes of 64 connections at most, in no scenario all of them. */
const CONNECTIONS_MAX = 300;

export const startPostgres: Start = async (directory) => {
  const places = globSync("/usr/lib/postgresql/*/bin").toSorted().toReversed();
  const initdb = findProgram("initdb", places);
  const postgres = findProgram("postgres", places);
  if (initdb === undefined || postgres === undefined) {
    return { missing: "PostgreSQL is not installed: apt-get install postgresql" };
  }
  const user = unprivileged();
  if (user !== undefined) chownSync(directory, user.uid, user.gid);
  const data = `${directory}/data`;
  const init = ["--pgdata", data, "--username", "bench", "--auth", "trust", "--encoding", "UTF8", "--locale", "C"];
  await promisify(execFile)(initdb, init, { cwd: directory, ...user });
  const port = await freePort();
  const server = await startServer({
    file: postgres,
    args: [
      "-D",
      data,
      "-h",
      "127.0.0.1",
      "-p",
      String(port),
      "-k",
      directory,
      "-c",
      `max_connections=${CONNECTIONS_MAX}`,
    ],
    cwd: directory,
    port,
    ...(user === undefined ? {} : { user }),
  });
  return {
    url: `postgres://bench@127.0.0.1:${port}/postgres`,
    version: versionOf(postgres),
    settings: `its defaults (fsync on, synchronous_commit on), max_connections ${CONNECTIONS_MAX}`,
    pid: server.pid,
    stop: () => server.stop(),
  };
};

/** PostgreSQL refuses to be root. */
function unprivileged(): UserIds | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const idOf = (kind: "-u" | "-g"): number => Number(execFileSync("id", [kind, "nobody"], { encoding: "utf8" }));
  return { uid: idOf("-u"), gid: idOf("-g") };
}
