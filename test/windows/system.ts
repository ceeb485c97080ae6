/** What other programs on Windows do to files and processes. */
import { koffi } from "./product.ts";

const kernel32 = koffi.load("kernel32.dll");
const ntdll = koffi.load("ntdll.dll");
const D = "uint32";
const createFile = kernel32.func("__stdcall", "CreateFileW", "intptr_t", ["str16", D, D, "void *", D, D, "intptr_t"]);
const closeHandle = kernel32.func("__stdcall", "CloseHandle", "bool", ["intptr_t"]);
const lockFile = kernel32.func("__stdcall", "LockFile", "bool", ["intptr_t", D, D, D, D]);
const unlockFile = kernel32.func("__stdcall", "UnlockFile", "bool", ["intptr_t", D, D, D, D]);
const deleteFile = kernel32.func("__stdcall", "DeleteFileW", "bool", ["str16"]);
const openProcess = kernel32.func("__stdcall", "OpenProcess", "intptr_t", [D, "bool", D]);
const suspendProcess = ntdll.func("__stdcall", "NtSuspendProcess", "int32", ["intptr_t"]);
const resumeProcess = ntdll.func("__stdcall", "NtResumeProcess", "int32", ["intptr_t"]);

const createSnapshot = kernel32.func("__stdcall", "CreateToolhelp32Snapshot", "intptr_t", [D, D]);
const firstProcess = kernel32.func("__stdcall", "Process32FirstW", "bool", ["intptr_t", "void *"]);
const nextProcess = kernel32.func("__stdcall", "Process32NextW", "bool", ["intptr_t", "void *"]);

const SNAPSHOT_PROCESSES = 2;
/** PROCESSENTRY32W of 64-bit programs. */
const ENTRY_BYTES = 568;
const ENTRY_PID_AT = 8;
const ENTRY_PARENT_AT = 32;
const READ_WRITE = 0xc0000000;
const SHARE_READ_WRITE = 3;
const OPEN_ALWAYS = 4;
const NORMAL = 0x80;
const SUSPEND_RESUME = 0x800;

/** As Python's `open` and `os.open` do, which share reading and writing and nothing else. */
export function openAsPython(path: string): { readonly handle: number; close(): void } {
  const handle = createFile(path, READ_WRITE, SHARE_READ_WRITE, null, OPEN_ALWAYS, NORMAL, 0) as number;
  if (handle === -1) throw new Error(`Cannot open ${path}.`);
  return { handle, close: () => void closeHandle(handle) };
}

/** Python's `msvcrt.locking(fd, LK_NBLCK, 1)` on a file just opened. */
export function lockAsPython(handle: number): boolean {
  return lockFile(handle, 0, 0, 1, 0) as boolean;
}

export function unlockAsPython(handle: number): boolean {
  return unlockFile(handle, 0, 0, 1, 0) as boolean;
}

/** As several versions of Python's filelock do when they let go. @returns whether it is gone */
export function deleteAsPython(path: string): boolean {
  return deleteFile(path) as boolean;
}

export function suspend(pid: number): void {
  withProcess(pid, suspendProcess);
}

export function resume(pid: number): void {
  withProcess(pid, resumeProcess);
}

/** The pids of the processes that a process has started, in the order of the system's list. */
export function childrenOf(parent: number): readonly number[] {
  const snapshot = createSnapshot(SNAPSHOT_PROCESSES, 0) as number;
  const entry = Buffer.alloc(ENTRY_BYTES);
  entry.writeUInt32LE(ENTRY_BYTES, 0);
  const found: number[] = [];
  for (let more = firstProcess(snapshot, entry); more === true; more = nextProcess(snapshot, entry)) {
    if (entry.readUInt32LE(ENTRY_PARENT_AT) === parent) found.push(entry.readUInt32LE(ENTRY_PID_AT));
  }
  closeHandle(snapshot);
  return found;
}

function withProcess(pid: number, act: (process: number) => unknown): void {
  const process = openProcess(SUSPEND_RESUME, false, pid) as number;
  if (process === 0) throw new Error(`Cannot open process ${pid}.`);
  try {
    if (act(process) !== 0) throw new Error(`Process ${pid} was not suspended or resumed.`);
  } finally {
    closeHandle(process);
  }
}
