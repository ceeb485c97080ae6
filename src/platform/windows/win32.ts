import { type Koffi, loadKoffi } from "../koffi-loader.js";

/** A HANDLE, as a number. */
export type Handle = number;

/** The few functions of Windows, and of Node's libuv, that Node does not offer. Those that return a boolean leave {@link lastError}. */
export interface Win32 {
  /** The handle behind a descriptor of Node's own C library, which no other C library knows. */
  handleOf(fd: number): Handle;
  descriptorOf(handle: Handle): number;
  lockFile(handle: Handle, flags: number, range: ByteRange): boolean;
  unlockFile(handle: Handle, range: ByteRange): boolean;
  createFile(path: string, options: CreateFileOptions): Handle;
  moveFile(from: string, to: string, flags: number): boolean;
  volumeRootOf(path: string): string | undefined;
  driveTypeOf(root: string): number;
  fileSystemNameOf(root: string): string | undefined;
  interruptTimeMs(): number;
  /** In 100 ns since 1601: when this boot began, by the clock as it was set then; undefined when not told. */
  bootTime(): bigint | undefined;
  machineGuid(): string | undefined;
  readonly lastError: () => number;
  readonly koffi: Koffi;
  readonly kernel32: ReturnType<Koffi["load"]>;
}

export interface ByteRange {
  readonly offsetLow: number;
  readonly offsetHigh: number;
  readonly length: number;
}

export interface CreateFileOptions {
  readonly access: number;
  readonly share: number;
  readonly disposition: number;
  readonly flags: number;
}

export const INVALID_HANDLE: Handle = -1;

/** Loaded at the first call and once a thread. @throws NameholdError `unsupported` without koffi */
export function win32(): Win32 {
  loaded ??= bind(loadKoffi());
  return loaded;
}

let loaded: Win32 | undefined;

type Library = ReturnType<Koffi["load"]>;

const PATH_CHARACTERS_MAX = 32_768;
const NAME_CHARACTERS_MAX = 64;

function bind(koffi: Koffi): Win32 {
  const kernel32 = koffi.load("kernel32.dll");
  return {
    koffi,
    kernel32,
    lastError: kernel32.func("__stdcall", "GetLastError", "uint32", []),
    ...bindDescriptors(koffi),
    ...bindLocks(koffi, kernel32),
    ...bindFiles(kernel32),
    ...bindClock(koffi, kernel32),
    ...bindSystem(koffi),
  };
}

/** Node's executable offers libuv's functions to addons. */
function bindDescriptors(koffi: Koffi): Pick<Win32, "handleOf" | "descriptorOf"> {
  const node = koffi.load(null);
  return {
    handleOf: node.func("uv_get_osfhandle", "intptr_t", ["int"]),
    descriptorOf: node.func("uv_open_osfhandle", "int", ["intptr_t"]),
  };
}

function bindLocks(koffi: Koffi, kernel32: Library): Pick<Win32, "lockFile" | "unlockFile"> {
  const overlapped = koffi.pointer(
    koffi.struct({
      Internal: "uintptr_t",
      InternalHigh: "uintptr_t",
      Offset: "uint32",
      OffsetHigh: "uint32",
      hEvent: "intptr_t",
    }),
  );
  const at = ({ offsetLow, offsetHigh }: ByteRange) => {
    return { Internal: 0, InternalHigh: 0, Offset: offsetLow, OffsetHigh: offsetHigh, hEvent: 0 };
  };
  const D = "uint32";
  const lock = kernel32.func("__stdcall", "LockFileEx", "bool", ["intptr_t", D, D, D, D, overlapped]);
  const unlock = kernel32.func("__stdcall", "UnlockFileEx", "bool", ["intptr_t", D, D, D, overlapped]);
  return {
    lockFile: (handle, flags, range) => lock(handle, flags, 0, range.length, 0, at(range)) as boolean,
    unlockFile: (handle, range) => unlock(handle, 0, range.length, 0, at(range)) as boolean,
  };
}

function bindFiles(
  kernel32: Library,
): Pick<Win32, "createFile" | "moveFile" | "volumeRootOf" | "driveTypeOf" | "fileSystemNameOf"> {
  const D = "uint32";
  const create = kernel32.func("__stdcall", "CreateFileW", "intptr_t", ["str16", D, D, "void *", D, D, "intptr_t"]);
  const pathName = kernel32.func("__stdcall", "GetVolumePathNameW", "bool", ["str16", "void *", D]);
  const information = kernel32.func("__stdcall", "GetVolumeInformationW", "bool", [
    ...["str16", "void *", D, "void *", "void *", "void *", "void *", D],
  ]);
  return {
    createFile: (path, { access, share, disposition, flags }) =>
      create(path, access, share, null, disposition, flags, 0) as Handle,
    moveFile: kernel32.func("__stdcall", "MoveFileExW", "bool", ["str16", "str16", D]),
    driveTypeOf: kernel32.func("__stdcall", "GetDriveTypeW", D, ["str16"]),
    volumeRootOf: (path) => {
      const root = Buffer.alloc(2 * PATH_CHARACTERS_MAX);
      return pathName(path, root, PATH_CHARACTERS_MAX) === true ? textIn(root) : undefined;
    },
    fileSystemNameOf: (root) => {
      const name = Buffer.alloc(2 * NAME_CHARACTERS_MAX);
      const isTold = information(root, null, 0, null, null, null, name, NAME_CHARACTERS_MAX) === true;
      return isTold ? textIn(name) : undefined;
    },
  };
}

function bindClock(koffi: Koffi, kernel32: Library): Pick<Win32, "interruptTimeMs"> {
  const time = new BigUint64Array(1);
  try {
    const read = koffi.load("kernelbase.dll").func("__stdcall", "QueryInterruptTimePrecise", "void", ["void *"]);
    return {
      interruptTimeMs: () => {
        read(time);
        return Number(time[0]) / 1e4;
      },
    };
  } catch {
    // Wine has none. The same scale, in steps of up to 16 ms.
    const read = kernel32.func("__stdcall", "GetTickCount64", "uint64", []);
    return { interruptTimeMs: () => Number(read()) };
  }
}

const SYSTEM_TIME_OF_DAY = 3;
const LOCAL_MACHINE = 0x80000002;
/** A string, as 64-bit programs see it. */
const REGISTRY_STRING = 0x10002;

function bindSystem(koffi: Koffi): Pick<Win32, "bootTime" | "machineGuid"> {
  const D = "uint32";
  const system = koffi
    .load("ntdll.dll")
    .func("__stdcall", "NtQuerySystemInformation", "int32", ["int", "void *", D, "void *"]);
  const value = koffi
    .load("advapi32.dll")
    .func("__stdcall", "RegGetValueW", "int32", ["uintptr_t", "str16", "str16", D, "void *", "void *", "void *"]);
  return {
    bootTime: () => {
      const times = Buffer.alloc(48);
      if (system(SYSTEM_TIME_OF_DAY, times, times.length, null) !== 0) return undefined;
      // Whoever sets the clock moves the boot time by as much, and notes that in its bias.
      return times.readBigInt64LE(8) - times.readBigInt64LE(32);
    },
    machineGuid: () => {
      const text = Buffer.alloc(256);
      const bytes = Uint32Array.of(text.length);
      const key = "SOFTWARE\\Microsoft\\Cryptography";
      const status = value(LOCAL_MACHINE, key, "MachineGuid", REGISTRY_STRING, null, text, bytes);
      return status === 0 ? textIn(text) : undefined;
    },
  };
}

/** Up to its zero. */
function textIn(buffer: Buffer): string {
  return buffer.toString("utf16le").replace(/\0.*$/s, "");
}
