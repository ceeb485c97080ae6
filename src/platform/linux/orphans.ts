import { readFileSync } from "node:fs";
import type { HostOrphans } from "../host.js";
import type { Libc } from "../posix/libc.js";

const PR_SET_CHILD_SUBREAPER = 36;
const WNOHANG = 1;

/** Processes whose parent has ended before them: prctl(2), waitpid(2). */
export function linuxOrphans(libc: () => Libc): HostOrphans {
  let waitpid: ((pid: number, status: null, options: number) => number) | undefined;
  return {
    adopt: () => {
      const prctl = libc().library.func("prctl", "int", ["int", "ulong", "ulong", "ulong", "ulong"]);
      prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    },
    bury: (isOwn) => {
      waitpid ??= libc().library.func("waitpid", "int", ["int", "void *", "int"]);
      for (const pid of children()) if (!isOwn(pid)) waitpid(pid, null, WNOHANG);
    },
  };
}

/** Those of the first thread: the one that the kernel gives orphans to. Empty on a kernel that does not list them. */
function children(): readonly number[] {
  try {
    const text = readFileSync(`/proc/self/task/${process.pid}/children`, "latin1");
    return text.split(" ").filter(Boolean).map(Number);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return [];
  }
}
