import { constants, openSync, readFileSync, readlinkSync } from "node:fs";
import type { Host } from "../host.js";
import { clockReader } from "../posix/boot-clock.js";
import { posixFiles } from "../posix/files.js";
import { flockLocks } from "../posix/flock.js";
import { lazyLibc } from "../posix/libc.js";
import { pollForLostReader } from "../posix/output-reader.js";
import { impatientStandardError } from "../posix/standard-error.js";
import { sendDatagram } from "./datagram.js";
import { linuxFileSystemOf } from "./file-systems.js";
import { isMountPoint } from "./mounts.js";
import { linuxOrphans } from "./orphans.js";
import { linuxProcessTable } from "./process-table.js";

const CLOCK_BOOTTIME = 7;
const REOPEN = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

const libc = lazyLibc("libc.so.6");

/** Proven by the suites. */
export const linuxHost: Host = {
  name: "Linux",
  locks: flockLocks(libc),
  clock: {
    bootMs: clockReader(libc, CLOCK_BOOTTIME),
    bootId: () => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim(),
  },
  files: { ...posixFiles, fileSystemOf: linuxFileSystemOf, isMountPoint },
  standardError: impatientStandardError(libc, reopenStandardError),
  processes: { kind: "table", table: { ...linuxProcessTable, orphans: linuxOrphans(libc) } },
  sendDatagram: (path, text) => sendDatagram(libc, path, text),
  hasLostReader: pollForLostReader(libc),
  namespaceOf: (kind) => {
    try {
      return readlinkSync(`/proc/self/ns/${kind}`);
    } catch {
      // This kernel has none, or hides them. Decisions fall back to TTL, never to 'dead'.
      return "";
    }
  },
};

function reopenStandardError(): number | undefined {
  try {
    return openSync("/proc/self/fd/2", REOPEN);
  } catch {
    // A socket (the journal's) cannot be opened, nor another user's terminal.
    return undefined;
  }
}
