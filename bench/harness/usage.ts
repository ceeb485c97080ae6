import { readFileSync } from "node:fs";
import { nowNs } from "./moment.ts";
import type { Usage } from "./protocol.ts";

/** What this process has used so far. */
export function usage(): Usage {
  const { user, system } = process.cpuUsage();
  return { cpuUs: user + system, writtenBytes: writtenBytes(), atNs: nowNs() };
}

function writtenBytes(): number | null {
  if (process.platform !== "linux") return null;
  const found = /^write_bytes: (\d+)$/m.exec(readFileSync("/proc/self/io", "utf8"))?.[1];
  return found === undefined ? null : Number(found);
}
