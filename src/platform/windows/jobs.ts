import { NameholdError } from "../../core/errors.js";
import type { ProcessJob, ProcessJobs } from "../host.js";
import { type Handle, type Win32, win32 } from "./win32.js";

/**
 * Job objects: the kernel's own list of all that a process started, from its first instruction.
 *
 * `join` takes two. The leash, of which this process has the only handle, ends all when that handle is closed: by the
 * kernel, when this process ends. The roll is the list, which whoever made it can still read then.
 */
export const windowsJobs: ProcessJobs = {
  startOf: (pid) => bound().startOf(pid),
  create: (name) => {
    const job = bound().create(nameOf(name));
    if (job === 0) throw refused("could not be made");
    return new Roll(job);
  },
  join: (name) => {
    const c = bound();
    const roll = c.open(nameOf(name));
    if (roll === 0) throw refused("is not there");
    const leash = c.create(null);
    if (leash === 0 || !c.killOnClose(leash)) throw refused("could not be made");
    if (!c.assignSelf(leash) || !c.assignSelf(roll)) throw refused("did not take this process");
    return new Roll(roll);
  },
};

class Roll implements ProcessJob {
  readonly #job: Handle;

  constructor(job: Handle) {
    this.#job = job;
  }

  pids(): readonly number[] {
    return bound().pidsOf(this.#job);
  }

  terminate(pid: number): void {
    bound().terminate(pid, this.#job);
  }
}

/** Of this session, not of the machine: others need a privilege. */
function nameOf(name: string): string {
  return `Local\\namehold ${name}`;
}

function refused(what: string): NameholdError {
  const error = win32().lastError();
  const message = `The job object that holds a command's processes together ${what} (Windows error ${error}).`;
  return new NameholdError("unsupported", message);
}

interface Bound {
  /** 0 when it failed. Such a job lives as long as a process has its handle: it is never closed by name. */
  create(name: string | null): Handle;
  open(name: string): Handle;
  killOnClose(job: Handle): boolean;
  assignSelf(job: Handle): boolean;
  pidsOf(job: Handle): readonly number[];
  terminate(pid: number, job: Handle): void;
  startOf(pid: number): number | null;
}

let loaded: Bound | undefined;

function bound(): Bound {
  loaded ??= { ...bindJobs(win32()), ...bindProcesses(win32()) };
  return loaded;
}

const D = "uint32";
const ASSIGN_AND_QUERY = 0x1 | 0x4;
const BASIC_PROCESS_ID_LIST = 3;
const EXTENDED_LIMIT_INFORMATION = 9;
const LIMIT_FLAGS_AT = 16;
const KILL_ON_JOB_CLOSE = 0x2000;
const ERROR_ALREADY_EXISTS = 183;
const ERROR_MORE_DATA = 234;

function bindJobs({ koffi, kernel32, lastError }: Win32): Omit<Bound, "terminate" | "startOf"> {
  const create = kernel32.func("__stdcall", "CreateJobObjectW", "intptr_t", ["void *", "str16"]);
  const open = kernel32.func("__stdcall", "OpenJobObjectW", "intptr_t", [D, "bool", "str16"]);
  const assign = kernel32.func("__stdcall", "AssignProcessToJobObject", "bool", ["intptr_t", "intptr_t"]);
  const self = kernel32.func("__stdcall", "GetCurrentProcess", "intptr_t", []);
  const set = kernel32.func("__stdcall", "SetInformationJobObject", "bool", ["intptr_t", "int", "void *", D]);
  const query = kernel32.func("__stdcall", "QueryInformationJobObject", "bool", [
    ...["intptr_t", "int", "void *", D, "void *"],
  ]);
  const wordBytes = koffi.sizeof("void *");
  return {
    create: (name) => {
      const job = create(null, name) as Handle;
      return name !== null && lastError() === ERROR_ALREADY_EXISTS ? 0 : job;
    },
    open: (name) => open(ASSIGN_AND_QUERY, false, name) as Handle,
    killOnClose: (job) => {
      const limits = Buffer.alloc(wordBytes === 8 ? 144 : 112);
      limits.writeUInt32LE(KILL_ON_JOB_CLOSE, LIMIT_FLAGS_AT);
      return set(job, EXTENDED_LIMIT_INFORMATION, limits, limits.length) as boolean;
    },
    assignSelf: (job) => assign(job, self()) as boolean,
    pidsOf: (job) => {
      for (let room = 64; ; room *= 4) {
        const list = Buffer.alloc(8 + room * wordBytes);
        if (query(job, BASIC_PROCESS_ID_LIST, list, list.length, null) === true) return pidsIn(list, wordBytes);
        const error = lastError();
        if (error !== ERROR_MORE_DATA) {
          throw new NameholdError(
            "unsupported",
            `The processes of a command cannot be listed (Windows error ${error}).`,
          );
        }
      }
    },
  };
}

/** Two counts, of which the second says how many pids follow. */
function pidsIn(list: Buffer, wordBytes: number): readonly number[] {
  // A pid fills the lower half of its word.
  return Array.from({ length: list.readUInt32LE(4) }, (_, i) => list.readUInt32LE(8 + i * wordBytes));
}

const QUERY_LIMITED_INFORMATION = 0x1000;
/** IsProcessInJob wants more than the limited one under Wine. */
const QUERY_INFORMATION = 0x400;
const TERMINATE = 0x1;
/** What libuv gives a process that it ends. */
const EXIT_STATUS = 1;

function bindProcesses({ kernel32 }: Win32): Pick<Bound, "terminate" | "startOf"> {
  const open = kernel32.func("__stdcall", "OpenProcess", "intptr_t", [D, "bool", D]);
  const close = kernel32.func("__stdcall", "CloseHandle", "bool", ["intptr_t"]);
  const isIn = kernel32.func("__stdcall", "IsProcessInJob", "bool", ["intptr_t", "intptr_t", "void *"]);
  const end = kernel32.func("__stdcall", "TerminateProcess", "bool", ["intptr_t", D]);
  const times = kernel32.func("__stdcall", "GetProcessTimes", "bool", [
    ...["intptr_t", "void *", "void *", "void *", "void *"],
  ]);
  const withProcess = <T>(pid: number, access: number, use: (process: Handle) => T): T | null => {
    const process = open(access, false, pid) as Handle;
    if (process === 0) return null;
    try {
      return use(process);
    } finally {
      close(process);
    }
  };
  return {
    terminate: (pid, job) => {
      withProcess(pid, QUERY_INFORMATION | TERMINATE, (process) => {
        const isMember = new Int32Array(1);
        // A pid is nobody's own: between the listing and now it may have become a stranger's.
        if (isIn(process, job, isMember) === true && isMember[0] !== 0) end(process, EXIT_STATUS);
      });
    },
    startOf: (pid) =>
      withProcess(pid, QUERY_LIMITED_INFORMATION, (process) => {
        const [start, ...others] = Array.from({ length: 4 }, () => new BigUint64Array(1));
        if (times(process, start, ...others) !== true) return null;
        // From 100 ns to ms, which a number holds.
        return Number((start?.[0] ?? 0n) / 10_000n);
      }),
  };
}
