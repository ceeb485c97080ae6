import type { FileSystemKind } from "../host.js";
import type { Libc } from "../posix/libc.js";

/** By name, as statfs(2) tells it: the type numbers that Node passes on are not the same on every Mac. */
export function darwinFileSystems(libc: () => Libc): (path: string) => FileSystemKind {
  let statfs: ((path: string, buffer: Buffer) => number) | undefined;
  return (path) => {
    const c = libc();
    statfs ??= bindStatfs(c);
    const buffer = Buffer.alloc(STATFS_BYTES);
    if (statfs(path, buffer) !== 0) {
      const code = c.errnoName();
      throw Object.assign(new Error(`${code}: statfs failed`), { code });
    }
    return parseStatfs(buffer);
  };
}

/** @param buffer a `struct statfs` with 64-bit inodes */
export function parseStatfs(buffer: Buffer): FileSystemKind {
  const name = buffer.toString("latin1", NAME_AT, NAME_AT + NAME_BYTES).replace(/\0.*$/s, "");
  const isLocal = (buffer.readUInt32LE(FLAGS_AT) & MNT_LOCAL) !== 0 && LASTING_INODES.has(name);
  return { name, isLocal };
}

/** More than the 2168 that it has. */
const STATFS_BYTES = 4096;
const FLAGS_AT = 64;
const NAME_AT = 72;
const NAME_BYTES = 16;
const MNT_LOCAL = 0x1000;
const LASTING_INODES: ReadonlySet<string> = new Set(["apfs", "hfs"]);

function bindStatfs({ library }: Libc): (path: string, buffer: Buffer) => number {
  try {
    // On Intel the plain name is the old structure, with 32-bit inodes.
    return library.func("statfs$INODE64", "int", ["str", "void *"]);
  } catch {
    return library.func("statfs", "int", ["str", "void *"]);
  }
}
