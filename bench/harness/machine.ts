import { execFileSync } from "node:child_process";
import { readFileSync, realpathSync } from "node:fs";
import { cpus, loadavg, release, totalmem, type } from "node:os";
import { CHECKOUT } from "./namehold.ts";

/** Where the numbers come from. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly node: string;
  readonly fileSystem: string;
  /** The load of the last minute when the run began: above the number of cores, somebody else was working too. */
  readonly loadBefore: number;
  readonly commit: string;
}

const FILE_SYSTEMS_IN_MEMORY = new Set(["tmpfs", "ramfs"]);

export function describeMachine(workspace: string): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: `${type()} ${release()}`,
    node: process.versions.node,
    fileSystem: fileSystemOf(workspace),
    loadBefore: loadavg()[0] ?? Number.NaN,
    commit: commit(),
  };
}

/** @throws Error where nothing would ever reach a disk: durable rows would lie */
export function refuseMemoryFileSystem(directory: string): void {
  const kind = fileSystemOf(directory);
  if (!FILE_SYSTEMS_IN_MEMORY.has(kind)) return;
  throw new Error(`${directory} is on ${kind}, which is memory. Name a directory on a disk with --dir.`);
}

function fileSystemOf(directory: string): string {
  if (process.platform !== "linux") return "unknown";
  const path = realpathSync(directory);
  const mounts = readFileSync("/proc/self/mounts", "utf8")
    .trim()
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([, point = ""]) => path === point || path.startsWith(point.endsWith("/") ? point : `${point}/`))
    .toSorted(([, a = ""], [, b = ""]) => b.length - a.length);
  return mounts[0]?.[2] ?? "unknown";
}

function commit(): string {
  try {
    const git = (...args: readonly string[]): string =>
      execFileSync("git", ["-C", CHECKOUT, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
    const dirty = git("status", "--porcelain", "--", "src") === "" ? "" : " with changes";
    return git("rev-parse", "--short", "HEAD") + dirty;
  } catch {
    // A tarball has no history; the numbers hold all the same.
    return "unknown";
  }
}
