import type { Libc } from "./libc.js";

const POLLERR = 8;
const POLLHUP = 16;

/** @returns asks poll(2), for nothing in particular: it tells of the end alone */
export function pollForLostReader(libc: () => Libc): (fd: number) => boolean {
  return (fd) => {
    const request = Buffer.alloc(8);
    request.writeInt32LE(fd, 0);
    return libc().poll(request, 1, 0) === 1 && (request.readInt16LE(6) & (POLLERR | POLLHUP)) !== 0;
  };
}
