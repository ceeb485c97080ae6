import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const PAGE_BYTES = 4_096;
const DISK_SIZE = "8m";

/** A file system of its own for the registry, small enough to be filled. Mounting needs root. */
export class SmallDisk implements Disposable {
  readonly path: string;
  readonly #filler: string;

  private constructor(path: string) {
    this.path = path;
    this.#filler = join(path, "filler");
  }

  static isPossible(): boolean {
    return process.getuid?.() === 0;
  }

  static mount(path: string): SmallDisk {
    mkdirSync(path);
    run("mount", "-t", "tmpfs", "-o", `size=${DISK_SIZE}`, "namehold-chaos", path);
    return new SmallDisk(path);
  }

  /** Leaves so many pages of 4 KiB, if there were more. */
  fill(freePages: number): void {
    const pages = Math.max(0, statfsSync(this.path).bavail - freePages);
    try {
      writeFileSync(this.#filler, Buffer.alloc(pages * PAGE_BYTES));
    } catch (error) {
      // A worker was quicker to use the rest: the disk is full all the same.
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    }
  }

  free(): void {
    rmSync(this.#filler, { force: true });
  }

  [Symbol.dispose](): void {
    // Lazily: a process that was just killed may not be gone from it.
    run("umount", "--lazy", this.path);
  }
}

function run(command: string, ...args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed: ${error?.message ?? stderr}`);
}
