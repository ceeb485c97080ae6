import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type OpenRegistryOptions, openRegistry, type Registry } from "../../../src/index.js";

/** A lock as the file has it. */
export interface LockInFile {
  readonly holder_pid: number;
  readonly holder_host: string;
  readonly holder_instance: string;
  readonly acquired_at: string;
  readonly heartbeat_at: string;
  readonly expires_at: string;
}

interface EntryInFile {
  readonly id: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly lock: LockInFile | null;
}

/** A registry file in a directory of its own, removed with the test. */
export class LabFiles {
  readonly directory: string;
  readonly path: string;
  readonly holders: string;

  constructor(directory = temporaryDirectory()) {
    this.directory = directory;
    this.path = join(directory, "registry.json");
    this.holders = `${this.path}.holders`;
  }

  get text(): string {
    return readFileSync(this.path, "utf8");
  }

  /** In one step, lest a process that looks just then take it for damage and mend it. */
  set text(text: string) {
    writeFileSync(`${this.path}.new`, text);
    renameSync(`${this.path}.new`, this.path);
  }

  get copyPath(): string {
    return join(this.holders, "last-good.json");
  }

  get leftPath(): string {
    return join(this.holders, "left.json");
  }

  get statePath(): string {
    return join(this.holders, "state.json");
  }

  /** The last record of the sidecar. */
  get state(): string {
    return readFileSync(this.statePath, "utf8").trimEnd().split("\n").at(-1) ?? "";
  }

  entry(name: string): EntryInFile | undefined {
    const { entries } = JSON.parse(this.text) as { readonly entries: Readonly<Record<string, EntryInFile>> };
    return Object.hasOwn(entries, name) ? entries[name] : undefined;
  }

  /** Puts a lock on a name as a Python process does: in the file alone. */
  writeLock(name: string, lock: LockInFile | null): void {
    const registry = JSON.parse(this.text) as { entries: Record<string, { lock: LockInFile | null }> };
    const entry = registry.entries[name];
    if (entry === undefined) throw new Error(`${name} is not in the file`);
    entry.lock = lock;
    this.text = JSON.stringify(registry, null, 2);
  }

  /** A registry of this process over the file, closed with the test. */
  async open(options: OpenRegistryOptions = {}): Promise<Registry> {
    const registry = await openRegistry(this.path, options);
    onTestFinished(() => registry.close());
    return registry;
  }
}

/** A new directory that other users may enter, removed with the test. */
export function temporaryDirectory(mode = 0o755): string {
  const directory = mkdtempSync(join(tmpdir(), "namehold-json-file-"));
  chmodSync(directory, mode);
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
