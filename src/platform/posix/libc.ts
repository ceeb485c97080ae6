import { getSystemErrorName } from "node:util";
import { type Koffi, loadKoffi } from "../koffi-loader.js";

/** The few C functions that Node does not offer. */
export interface Libc {
  readonly koffi: Koffi;
  readonly library: ReturnType<Koffi["load"]>;
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
 * @param fileName of the library. Symbols then come from itself and not from a preloaded one, so that libfaketime cannot
 *   fake the monotonic clock, whatever its settings.
 */
export function lazyLibc(fileName: string): () => Libc {
  let loaded: Libc | undefined;
  return () => {
    loaded ??= bind(loadKoffi(), fileName);
    return loaded;
  };
}

function bind(koffi: Koffi, fileName: string): Libc {
  const library = openLibrary(koffi, fileName);
  return {
    koffi,
    library,
    flock: library.func("flock", "int", ["int", "int"]),
    // Its count is an unsigned long, of which a small number fills the same register.
    poll: library.func("poll", "int", ["void *", "ulong", "int"]),
    clockGettime: library.func("clock_gettime", "int", ["int", "void *"]),
    errnoName: () => getSystemErrorName(-koffi.errno()),
    longBytes: koffi.sizeof("long"),
  };
}

function openLibrary(koffi: Koffi, fileName: string): ReturnType<Koffi["load"]> {
  try {
    return koffi.load(fileName);
  } catch {
    // musl has no libc.so.6: its symbols are those of the process.
    return koffi.load(null);
  }
}
