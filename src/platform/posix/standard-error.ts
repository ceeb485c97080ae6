import { fstatSync, writeSync } from "node:fs";
import type { HostStandardError } from "../host.js";
import type { Libc } from "./libc.js";

/**
 * What a full pipe or a paused terminal does not take at once is lost.
 *
 * @param reopen opens what is behind standard error anew, not to wait; undefined where that cannot be
 */
export function impatientStandardError(libc: () => Libc, reopen: () => number | undefined): HostStandardError {
  let descriptor: Descriptor | undefined;
  return {
    write: (text) => {
      descriptor ??= openDescriptor(reopen);
      if (!descriptor.mayBlock || takesData(libc())) writeSync(descriptor.fd, text);
    },
  };
}

interface Descriptor {
  readonly fd: number;
  /** Whether a write may wait, and must be asked for first. */
  readonly mayBlock: boolean;
}

const STDERR = 2;
const POLLOUT = 4;

/**
 * A pipe or terminal is opened anew: the others who write to it must not find it non-blocking. A file never waits, and
 * keeps its position only through the descriptor that all share.
 */
function openDescriptor(reopen: () => number | undefined): Descriptor {
  if (fstatSync(STDERR).isFile()) return { fd: STDERR, mayBlock: false };
  const own = reopen();
  return own === undefined ? { fd: STDERR, mayBlock: true } : { fd: own, mayBlock: false };
}

function takesData(c: Libc): boolean {
  const request = Buffer.alloc(8);
  request.writeInt32LE(STDERR, 0);
  request.writeInt16LE(POLLOUT, 4);
  return c.poll(request, 1, 0) === 1 && (request.readInt16LE(6) & POLLOUT) !== 0;
}
