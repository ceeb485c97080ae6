/** The registry file as a Python process (madsci-common) writes it, by hand: the fast suite needs no Python. */
import type { LabFiles, LockInFile } from "../lab-files.js";

interface PythonEntry {
  readonly id: string;
  readonly lock: LockInFile | null;
  readonly [member: string]: unknown;
}

interface PythonRegistry {
  created_at?: string;
  entries: Record<string, PythonEntry>;
}

export const PYTHON_INSTANCE = "01JPYTHQNPYTHQNPYTHQNPYTHQ";

/** Reads, edits and writes the whole registry, in Python's spelling of the moment at which it was made. */
export function pythonEdits(lab: LabFiles, edit: (entries: Record<string, PythonEntry>) => void): void {
  const { created_at, entries, ...rest } = JSON.parse(lab.text) as PythonRegistry;
  edit(entries);
  const madeAt = created_at === undefined ? "2026-03-01T10:00:00.123456Z" : pythonSpelling(created_at);
  lab.text = JSON.stringify({ version: 1, ...rest, created_at: madeAt, entries }, null, 2);
}

export function pythonRenames(lab: LabFiles, from: string, to: string): void {
  pythonEdits(lab, (entries) => {
    entries[to] = { ...entryOf(entries, from), lock: null };
    delete entries[from];
  });
}

export function pythonTakes(lab: LabFiles, name: string, ttlMs = 30_000): void {
  pythonEdits(lab, (entries) => {
    entries[name] = { ...entryOf(entries, name), lock: pythonLock(ttlMs) };
  });
}

export function pythonReleases(lab: LabFiles, name: string): void {
  pythonEdits(lab, (entries) => {
    entries[name] = { ...entryOf(entries, name), lock: null };
  });
}

export function pythonEntry(id: string): PythonEntry {
  const at = "2026-03-01T10:00:00.123456Z";
  const times = { created_at: at, last_seen: at };
  return { id, component_type: "node", ...times, metadata: {}, lock: null, workcell_id: null };
}

function entryOf(entries: Readonly<Record<string, PythonEntry>>, name: string): PythonEntry {
  const entry = entries[name];
  if (entry === undefined) throw new Error(`${name} is not in the file`);
  return entry;
}

function pythonLock(ttlMs: number): LockInFile {
  const at = (ms: number) => new Date(Date.now() + ms).toISOString().replace("Z", "000Z");
  return {
    holder_pid: 4_711,
    holder_host: "elsewhere",
    holder_instance: PYTHON_INSTANCE,
    acquired_at: at(0),
    heartbeat_at: at(0),
    expires_at: at(ttlMs),
  };
}

/** pydantic writes `Z` for UTC, six digits of a fraction, and none for a whole second. */
function pythonSpelling(datetime: string): string {
  return datetime.replace("+00:00", "Z").replace(/\.0+(?=Z)/, "");
}
