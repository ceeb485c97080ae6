import type { Start } from "./server.ts";
import { findProgram, freePort, startServer, versionOf } from "./server-process.ts";

export const startRedis: Start = (directory) =>
  start(directory, ["--appendonly", "no"], 'no persistence (save "", appendonly no)');

export const startRedisAof: Start = (directory) =>
  start(directory, ["--appendonly", "yes", "--appendfsync", "always"], "appendonly yes, appendfsync always");

async function start(directory: string, persistence: readonly string[], settings: string): ReturnType<Start> {
  const file = findProgram("redis-server");
  if (file === undefined) return { missing: "redis-server is not installed: apt-get install redis-server" };
  const port = await freePort();
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", directory, "--save", "", ...persistence];
  const server = await startServer({ file, args, cwd: directory, port });
  return {
    url: `redis://127.0.0.1:${port}`,
    version: versionOf(file).replace(/ sha=.*/, ""),
    settings,
    stop: () => server.stop(),
  };
}
