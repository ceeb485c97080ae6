/** What concerns many entries at once: cleaning, exporting, importing. */
import type { JsonObject } from "../core/entry.js";
import { NameholdError, RegistryError, RegistryLockError } from "../core/errors.js";
import { heldError, judgeLock, type LockState } from "../core/lock-rules.js";
import { checkName, quoteName } from "../core/name.js";
import type { EntryRecord } from "../core/record.js";
import { entryIdOf } from "../core/text/entry-id.js";
import { editEntry, readEntry } from "../core/text/entry-text.js";
import { formatJson } from "../core/text/json-format.js";
import { RegistryDocument } from "../core/text/registry-document.js";
import { wallMs } from "../core/timing.js";
import type { ChangePart } from "../stores/store.js";
import type { Observer } from "./observer.js";
import type { Registry } from "./registry.js";

/** For what an entry does not say: here it is only checked. */
const NO_TIME = wallMs(0);
const DAY_MS = 24 * 60 * 60 * 1000;

export interface CleanOptions {
  /** Names not seen for this many days are removed. Default 7. */
  readonly olderThanDays?: number;
  /** Only tell which they are. Default false. */
  readonly dryRun?: boolean;
}

export interface ImportOptions {
  /**
   * Default true: names that exist are kept as they are. False replaces the registry: names that are not in the data
   * are removed. Refused with `held` while a name that would change is held.
   */
  readonly merge?: boolean;
  /** Replace held names too; their holders are told that they were revoked. Default false. */
  readonly force?: boolean;
}

export interface ImportReport {
  readonly added: readonly string[];
  readonly replaced: readonly string[];
  readonly removed: readonly string[];
  /** Names of the data that existed already and were left alone. */
  readonly kept: readonly string[];
}

interface Row {
  readonly record: EntryRecord;
  readonly state: LockState;
}

export async function clean(registry: Registry, observer: Observer, options: CleanOptions): Promise<readonly string[]> {
  const olderThanDays = options.olderThanDays ?? 7;
  if (!(olderThanDays >= 0)) {
    throw new NameholdError("invalid-input", `olderThanDays must be 0 or more, not ${String(olderThanDays)}.`);
  }
  const before = registry.lockManager.clock.wallMs() - olderThanDays * DAY_MS;
  for (;;) {
    const rows = await readAll(registry, observer);
    const stale = rows.filter(({ record, state }) => state.kind === "free" && record.entry.lastSeen < before);
    const names = stale.map(({ record }) => record.name);
    if (options.dryRun === true || names.length === 0) return names;
    const parts = stale.map(
      ({ record }): ChangePart => ({ kind: "remove", name: record.name, expect: record.version }),
    );
    if (await write(registry, parts)) return names;
  }
}

export async function exportText(registry: Registry): Promise<string> {
  const document = RegistryDocument.empty(registry.lockManager.clock.wallMs());
  for await (const { record } of registry.store.list()) {
    if (record !== null) document.setEntry(record.name, editEntry(record.source, { lock: null }));
  }
  return document.toString();
}

export async function importEntries(
  registry: Registry,
  observer: Observer,
  data: string | JsonObject,
  options: ImportOptions,
): Promise<ImportReport> {
  const imported = parseImport(data);
  for (;;) {
    const rows = new Map((await readAll(registry, observer)).map((row) => [row.record.name, row]));
    const { parts, report } =
      options.merge === false ? planReplace(rows, imported, options.force === true) : planMerge(rows, imported);
    if (parts.length === 0 || (await write(registry, parts))) return report;
  }
}

/** @returns the entries' texts without their locks, by name */
function parseImport(data: string | JsonObject): ReadonlyMap<string, string> {
  const entries = new Map<string, string>();
  const ids = new Map<string, string>();
  let where = "";
  try {
    const document = RegistryDocument.parse(typeof data === "string" ? data : formatJson(data, 0));
    for (const name of document.names()) {
      checkName(name);
      where = ` in ${quoteName(name)},`;
      const text = document.entryText(name) ?? "";
      claimId(ids, readEntry(text, NO_TIME).id, name);
      entries.set(name, editEntry(text, { lock: null }));
    }
  } catch (cause) {
    // What is damaged here is the input, not the registry.
    if (cause instanceof NameholdError && cause.code !== "damaged") throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new NameholdError(
      "invalid-input",
      `The data to import are no registry:${where} ${why}. Nothing was imported.`,
      { cause },
    );
  }
  return entries;
}

interface Plan {
  readonly parts: readonly ChangePart[];
  readonly report: ImportReport;
}

function planMerge(rows: ReadonlyMap<string, Row>, imported: ReadonlyMap<string, string>): Plan {
  const ids = new Map([...rows.values()].map(({ record }) => [record.entry.id, record.name]));
  const added = [...imported].filter(([name]) => !rows.has(name));
  for (const [name, text] of added) claimId(ids, entryIdOf(text), name);
  return {
    parts: added.map(([name, source]): ChangePart => ({ kind: "put", name, expect: "absent", write: { source } })),
    report: {
      added: added.map(([name]) => name),
      replaced: [],
      removed: [],
      kept: [...imported.keys()].filter((name) => rows.has(name)),
    },
  };
}

function planReplace(rows: ReadonlyMap<string, Row>, imported: ReadonlyMap<string, string>, force: boolean): Plan {
  const reason = "replaced by a forced import";
  const parts: ChangePart[] = [];
  const removed: string[] = [];
  const replaced: string[] = [];
  for (const { record, state } of rows.values()) {
    const { name, version } = record;
    const source = imported.get(name);
    if (state.kind === "held" && !force) throw refuseReplace(name, state);
    if (source === undefined) {
      removed.push(name);
      parts.push({ kind: "remove", name, expect: version, word: { reason: "removed", detail: reason } });
    } else {
      replaced.push(name);
      const lock = state.kind === "held" ? ({ kind: "revoke", reason } as const) : undefined;
      parts.push({ kind: "put", name, expect: version, write: { source, ...(lock === undefined ? {} : { lock }) } });
    }
  }
  const added = [...imported].filter(([name]) => !rows.has(name));
  for (const [name, source] of added) parts.push({ kind: "put", name, expect: "absent", write: { source } });
  return { parts, report: { added: added.map(([name]) => name), replaced, removed, kept: [] } };
}

function refuseReplace(name: string, state: LockState & { kind: "held" }): RegistryLockError {
  const held = heldError(name, state.lock, state.decided);
  return new RegistryLockError(
    "held",
    `Nothing was imported: ${held.message} Release it first, or force the import; its holder is then told to stop.`,
    held.details,
  );
}

/** @throws RegistryError `already-exists`: two names never share an ID */
function claimId(ids: Map<string, string>, id: string, name: string): void {
  const owner = ids.get(id);
  if (owner !== undefined && owner !== name) {
    throw new RegistryError(
      "already-exists",
      `Nothing was imported: ${quoteName(name)} would have the ID ${id}, which belongs to ${quoteName(owner)}.`,
      { name },
    );
  }
  ids.set(id, name);
}

async function readAll(registry: Registry, observer: Observer): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for await (const snapshot of registry.store.list()) {
    if (snapshot.record === null) continue;
    rows.push({ record: snapshot.record, state: judgeLock(snapshot, observer.watchedMs(snapshot)) });
  }
  return rows;
}

/** @returns false when somebody changed one of the names in between: plan anew */
async function write(registry: Registry, parts: readonly ChangePart[]): Promise<boolean> {
  const result = await registry.store.commit({ holder: registry.lockManager.holder, parts });
  if (result.kind !== "unknown") return result.kind === "done";
  throw new RegistryError(
    "outcome-unknown",
    "Whether the change was written is not known. Look before you repeat it.",
    {
      cause: result.cause,
    },
  );
}
