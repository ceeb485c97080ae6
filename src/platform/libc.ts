import { createRequire } from "node:module";
import { getSystemErrorName } from "node:util";
import type koffiModule from "koffi";
import { NameholdError } from "../core/errors.js";

/** The few C functions that Node does not offer. */
export interface Libc {
  flock(fd: number, operation: number): number;
  poll(requests: Buffer, count: number, timeoutMs: number): number;
  clockGettime(clockId: number, words: BigInt64Array | Int32Array): number;
  /** The name of the error of the last failed call, `EINTR` for example. Ask before any other call. */
  errnoName(): string;
  /** Size of a C `long`, in bytes: two of them make a `timespec`. */
  readonly longBytes: number;
}

/**
 * The C library, loaded at the first call and once a thread.
 *
 * This is the one place where the platform is chosen.
 *
 * @throws NameholdError `unsupported` on Windows, and where koffi has no binary for this machine.
 */
export function libc(): Libc {
  loaded ??= load();
  return loaded;
}

let loaded: Libc | undefined;

function load(): Libc {
  if (process.platform === "win32") {
    throw new NameholdError("unsupported", "namehold's file store does not support Windows yet. Use Linux or macOS.");
  }
  try {
    return bind(createRequire(import.meta.url)("koffi") as typeof koffiModule);
  } catch (cause) {
    const machine = `${process.platform}-${process.arch}`;
    const message = `The C library cannot be called on this machine (${machine}): koffi failed to load. Install koffi's package for ${machine} (do not omit optional dependencies).`;
    throw new NameholdError("unsupported", message, { cause });
  }
}

function bind(koffi: typeof koffiModule): Libc {
  const library = openLibrary(koffi);
  return {
    flock: library.func("flock", "int", ["int", "int"]),
    // Its count is an unsigned long, of which a small number fills the same register.
    poll: library.func("poll", "int", ["void *", "ulong", "int"]),
    clockGettime: library.func("clock_gettime", "int", ["int", "void *"]),
    errnoName: () => getSystemErrorName(-koffi.errno()),
    longBytes: koffi.sizeof("long"),
  };
}

/**
 * By its own name first: symbols then come from the C library itself and not from a preloaded one, so that
 * libfaketime cannot fake the monotonic clock, whatever its settings.
 */
function openLibrary(koffi: typeof koffiModule): ReturnType<typeof koffiModule.load> {
  const name = process.platform === "darwin" ? "/usr/lib/libSystem.B.dylib" : "libc.so.6";
  try {
    return koffi.load(name);
  } catch {
    // musl has no libc.so.6: its symbols are those of the process.
    return koffi.load(null);
  }
}
