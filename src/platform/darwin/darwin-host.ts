import type { Host } from "../host.js";
import { clockReader } from "../posix/boot-clock.js";
import { posixFiles } from "../posix/files.js";
import { flockLocks } from "../posix/flock.js";
import { lazyLibc } from "../posix/libc.js";
import { pollForLostReader } from "../posix/output-reader.js";
import { impatientStandardError } from "../posix/standard-error.js";
import { darwinFileSystems } from "./file-systems.js";
import { darwinProcessTable } from "./process-table.js";

/** Apple's libc reads mach_continuous_time for it, which goes on while the machine sleeps. */
const CLOCK_MONOTONIC_RAW = 4;
const BOOT_ID_BYTES = 64;

const libc = lazyLibc("/usr/lib/libSystem.B.dylib");

/** Run nowhere yet: see docs/platforms.md. */
export const darwinHost: Host = {
  name: "macOS",
  locks: flockLocks(libc),
  clock: { bootMs: clockReader(libc, CLOCK_MONOTONIC_RAW), bootId: readBootId },
  files: { ...posixFiles, fileSystemOf: darwinFileSystems(libc), isMountPoint: () => false },
  standardError: impatientStandardError(libc, () => undefined),
  processes: { kind: "table", table: darwinProcessTable(libc) },
  hasLostReader: pollForLostReader(libc),
  namespaceOf: () => "",
};

/** sysctl(3) `kern.bootsessionuuid`. */
function readBootId(): string {
  const sysctlbyname = libc().library.func("sysctlbyname", "int", ["str", "void *", "void *", "void *", "size_t"]);
  const text = Buffer.alloc(BOOT_ID_BYTES);
  const size = BigUint64Array.of(BigInt(BOOT_ID_BYTES));
  if (sysctlbyname("kern.bootsessionuuid", text, size, null, 0) !== 0) return "";
  return text.toString("latin1", 0, Number(size[0])).replace(/\0.*$/s, "");
}
