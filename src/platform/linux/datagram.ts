import { closeSync } from "node:fs";
import { endianness } from "node:os";
import type { Libc } from "../posix/libc.js";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;
/** `sun_path` of unix(7). */
const PATH_BYTES_MAX = 108;

/**
 * Sends one datagram to a unix socket, without waiting: what its reader has no room for is lost, as is what nobody
 * listens to.
 *
 * @param path absolute, or with `@` in front the name of an abstract socket
 */
export function sendDatagram(libc: () => Libc, path: string, text: string): void {
  const address = socketAddress(path);
  if (address === undefined) return;
  const { library } = libc();
  const fd = library.func("socket", "int", ["int", "int", "int"])(
    AF_UNIX,
    SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
    0,
  );
  if (fd < 0) return;
  try {
    const sendto = library.func("sendto", "long", ["int", "void *", "size_t", "int", "void *", "uint"]);
    const data = Buffer.from(text, "utf8");
    sendto(fd, data, data.length, MSG_NOSIGNAL, address, address.length);
  } finally {
    closeSync(fd);
  }
}

function socketAddress(path: string): Buffer | undefined {
  if (!/^[/@]/.test(path)) return undefined;
  const isAbstract = path.startsWith("@");
  // An abstract name is all that follows its zero byte, and has no other at its end.
  const name = Buffer.from(isAbstract ? `\0${path.slice(1)}` : `${path}\0`, "utf8");
  if (name.length > PATH_BYTES_MAX) return undefined;
  const family = Buffer.alloc(2);
  if (endianness() === "LE") family.writeUInt16LE(AF_UNIX);
  else family.writeUInt16BE(AF_UNIX);
  return Buffer.concat([family, name]);
}
