import { statfsSync } from "node:fs";
import type { FileSystemKind } from "../host.js";

/** An unknown one is named by its number, `0x6e736673`. */
export function linuxFileSystemOf(path: string): FileSystemKind {
  // Signed on some machines.
  const type = statfsSync(path).type >>> 0;
  return KINDS.get(type) ?? remote(`0x${type.toString(16)}`);
}

function local(name: string): FileSystemKind {
  return { name, isLocal: true };
}

function remote(name: string): FileSystemKind {
  return { name, isLocal: false };
}

/** Numbers of statfs(2); not FAT, whose inode numbers do not last. */
const KINDS: ReadonlyMap<number, FileSystemKind> = new Map([
  [0xef53, local("ext4")],
  [0x58465342, local("xfs")],
  [0x9123683e, local("btrfs")],
  [0x01021994, local("tmpfs")],
  [0x858458f6, local("ramfs")],
  [0x794c7630, local("overlay")],
  [0xf2f52010, local("f2fs")],
  [0x2fc12fc1, local("zfs")],
  [0xca451a4e, local("bcachefs")],
  [0x3153464a, local("jfs")],
  [0x24051905, local("ubifs")],
  [0x7366746e, local("ntfs3")],
  [0x6969, remote("nfs")],
  [0xff534d42, remote("cifs")],
  [0xfe534d42, remote("smb2")],
  [0x517b, remote("smb")],
  [0x01021997, remote("9p")],
  [0x65735546, remote("fuse")],
  [0x00c36400, remote("ceph")],
  [0x786f4256, remote("vboxsf")],
  [0x5346414f, remote("afs")],
  [0x01161970, remote("gfs2")],
  [0x7461636f, remote("ocfs2")],
  [0x0bd00bd0, remote("lustre")],
  [0x4d44, remote("vfat")],
  [0x2011bab0, remote("exfat")],
]);
