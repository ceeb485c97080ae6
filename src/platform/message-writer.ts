import { constants, fstatSync, openSync, writeSync } from "node:fs";
import { libc } from "./libc.js";

/**
 * Writes to standard error without ever waiting for whoever reads it, and without failing: what a full pipe, a terminal
 * that was paused with Ctrl-S or a full disk does not take is lost. For processes on whose next step lives depend.
 */
export function writeMessage(text: string): void {
  try {
    descriptor ??= openDescriptor();
    if (descriptor.mayBlock && !takesData(STDERR)) return;
    writeSync(descriptor.fd, text);
  } catch {
    // There is nobody left to tell.
  }
}

interface Descriptor {
  readonly fd: number;
  /** Whether a write may wait, and must be asked for first. */
  readonly mayBlock: boolean;
}

const STDERR = 2;
const POLLOUT = 4;
const REOPEN = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

let descriptor: Descriptor | undefined;

/**
 * A pipe or terminal is opened anew: the others who write to it must not find it non-blocking. A file never waits, and
 * keeps its position only through the descriptor that all share.
 */
function openDescriptor(): Descriptor {
  if (fstatSync(STDERR).isFile()) return { fd: STDERR, mayBlock: false };
  if (process.platform !== "linux") return { fd: STDERR, mayBlock: true };
  try {
    return { fd: openSync("/proc/self/fd/2", REOPEN), mayBlock: false };
  } catch {
    // A socket (the journal's) cannot be opened, nor another user's terminal.
    return { fd: STDERR, mayBlock: true };
  }
}

function takesData(fd: number): boolean {
  const request = Buffer.alloc(8);
  request.writeInt32LE(fd, 0);
  request.writeInt16LE(POLLOUT, 4);
  return libc().poll(request, 1, 0) === 1 && (request.readInt16LE(6) & POLLOUT) !== 0;
}
