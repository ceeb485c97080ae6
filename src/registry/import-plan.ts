/** What an import would do, decided without writing. */
import type { JsonObject } from "../core/entry.js";
import { type HeldBy, NameholdError, RegistryError, RegistryLockError } from "../core/errors.js";
import { heldBy, heldError, RECOVERY_INSTANCE } from "../core/lock-rules.js";
import { checkName, quoteName } from "../core/name.js";
import { entryIdOf } from "../core/text/entry-id.js";
import { editEntry, readEntry } from "../core/text/entry-text.js";
import { formatJson } from "../core/text/json-format.js";
import { findMember, scanObject } from "../core/text/json-scan.js";
import { RegistryDocument } from "../core/text/registry-document.js";
import { wallMs } from "../core/timing.js";
import type { ChangePart } from "../stores/store.js";
import { endingOf } from "./ending.js";
import { expected, type JudgedRecord } from "./judged-record.js";

/** What an import does with one name. */
export interface ImportChange {
  readonly name: string;
  /** `kept`: it is there already and stays as it is. */
  readonly kind: "added" | "replaced" | "removed" | "kept";
  /** The ID that the name has before the import; null when it is added. */
  readonly idBefore: string | null;
  /** The ID in the data; null when the name is not in them. */
  readonly idInData: string | null;
  /** Members of the entry (`id`, `metadata`, …) that are not in the data as they are in the registry. */
  readonly differences: readonly string[];
  /** Who holds the name. */
  readonly heldBy: HeldBy | null;
}

export interface ImportPlan {
  readonly changes: readonly ImportChange[];
  readonly parts: readonly ChangePart[];
  /** So many of the first parts let IDs pass between names that are there already: they are one change. */
  readonly linkedParts: number;
  /** Why it must not be done as it is; null mostly. */
  readonly refusal: RegistryLockError | null;
}

/** The entries' texts without their locks, by name. */
export type ImportedEntries = ReadonlyMap<string, string>;

/** @throws NameholdError `invalid-input`, also for two names with one ID */
export function parseImport(data: string | JsonObject): ImportedEntries {
  const entries = new Map<string, string>();
  const ids = new Map<string, string>();
  let where = "";
  try {
    const text = typeof data === "string" ? data : formatJson(data, 0);
    const document = RegistryDocument.parse(text);
    // Another program's file: to take it for an empty registry would remove every name.
    if (findMember(scanObject(text), "entries") === undefined) throw new Error('there are no "entries"');
    for (const name of document.names()) {
      checkName(name);
      where = ` in ${quoteName(name)},`;
      const entry = document.entryText(name) ?? "";
      const { id } = readEntry(entry, NO_TIME);
      const owner = ids.get(id);
      if (owner !== undefined) throw oneIdTwice(id, owner, name);
      ids.set(id, name);
      entries.set(name, editEntry(entry, { lock: null }));
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

/** Names that exist stay as they are. @throws RegistryError `already-exists` for an ID that another name has */
export function planMerge(rows: ReadonlyMap<string, JudgedRecord>, imported: ImportedEntries): ImportPlan {
  const ids = new Map([...rows.values()].map(({ record }) => [record.entry.id, record.name]));
  const changes: ImportChange[] = [];
  const parts: ChangePart[] = [];
  for (const [name, source] of imported) {
    const row = rows.get(name);
    if (row === undefined) {
      claimId(ids, entryIdOf(source), name);
      parts.push(added(name, source));
    }
    changes.push(changeOf(row === undefined ? "added" : "kept", name, { row, source }));
  }
  return { changes, parts, linkedParts: 0, refusal: null };
}

/** The registry becomes what the data are. */
export function planReplace(
  rows: ReadonlyMap<string, JudgedRecord>,
  imported: ImportedEntries,
  force: boolean,
): ImportPlan {
  const changes: ImportChange[] = [];
  const parts: ChangePart[] = [];
  const held: JudgedRecord[] = [];
  for (const row of rows.values()) {
    const { name } = row.record;
    const source = imported.get(name);
    const change = changeOf(source === undefined ? "removed" : "replaced", name, { row, source });
    if (isKept(change)) {
      changes.push({ ...change, kind: "kept" });
      continue;
    }
    changes.push(change);
    parts.push(source === undefined ? removed(row) : replaced(row, source));
    if (row.state.kind === "held") held.push(row);
  }
  for (const [name, source] of imported) {
    if (rows.has(name)) continue;
    changes.push(changeOf("added", name, { row: undefined, source }));
    parts.push(added(name, source));
  }
  const refusal = refuseMovedIds(held, imported) ?? (force ? null : refuseHeld(held));
  return { changes, ...linkedFirst(parts, rows), refusal };
}

/** The parts that let an ID pass to another name, with those that take it from the name that has it, go first. */
function linkedFirst(
  parts: readonly ChangePart[],
  rows: ReadonlyMap<string, JudgedRecord>,
): Pick<ImportPlan, "parts" | "linkedParts"> {
  const owners = new Map([...rows.values()].map(({ record }) => [record.entry.id, record.name]));
  const linked = new Set<string>();
  for (const part of parts) {
    if (part.kind !== "put" || part.write.source === undefined) continue;
    const owner = owners.get(entryIdOf(part.write.source));
    if (owner !== undefined && owner !== part.name) linked.add(owner).add(part.name);
  }
  const first = parts.filter(({ name }) => linked.has(name));
  return { parts: [...first, ...parts.filter(({ name }) => !linked.has(name))], linkedParts: first.length };
}

const NO_TIME = wallMs(0);
const REASON = "replaced by a forced import";

/** The last seen time of a held name is its holder's to tell. */
function isKept({ kind, differences, heldBy: holder }: ImportChange): boolean {
  return kind === "replaced" && differences.every((member) => holder !== null && member === "last_seen");
}

interface Sides {
  readonly row: JudgedRecord | undefined;
  readonly source: string | undefined;
}

function changeOf(kind: ImportChange["kind"], name: string, { row, source }: Sides): ImportChange {
  return {
    name,
    kind,
    idBefore: row?.record.entry.id ?? null,
    idInData: source === undefined ? null : entryIdOf(source),
    differences: row === undefined || source === undefined ? [] : differingMembers(row.record.source, source),
    heldBy: row?.state.kind === "held" ? heldBy(row.state.lock) : null,
  };
}

/** To the letter but for white space, since what is imported is kept to the letter; the lock is none of an import's. */
function differingMembers(before: string, after: string): readonly string[] {
  const [ours, theirs] = [membersOf(before), membersOf(after)];
  const keys = new Set([...ours.keys(), ...theirs.keys()]);
  keys.delete("lock");
  return [...keys].filter((key) => ours.get(key) !== theirs.get(key));
}

function membersOf(text: string): ReadonlyMap<string, string> {
  return new Map(
    scanObject(text).members.map(({ key, valueStart, valueEnd }) => [key, compact(text.slice(valueStart, valueEnd))]),
  );
}

function compact(json: string): string {
  return json.replaceAll(/("(?:[^"\\]|\\.)*")|\s+/g, "$1");
}

function added(name: string, source: string): ChangePart {
  return { kind: "put", name, expect: "absent", write: { source } };
}

function replaced(row: JudgedRecord, source: string): ChangePart {
  const lock = row.state.kind === "held" ? { lock: { kind: "revoke", reason: REASON } as const } : {};
  return { kind: "put", ...expected(row), write: { source, ...lock } };
}

function removed(row: JudgedRecord): ChangePart {
  const ends = row.state.kind === "held" ? ({ how: "revoked", detail: REASON } as const) : endingOf(row.state);
  return { kind: "remove", ...expected(row), word: { reason: "removed", detail: REASON }, ends };
}

const FORCE_REMEDY =
  " Release it first, or force the import (namehold import --revoke-held): its holder is then told to stop.";

function refuseHeld(rows: readonly JudgedRecord[]): RegistryLockError | null {
  const [row, ...others] = rows;
  if (row?.state.kind !== "held") return null;
  const held = heldError(row.record.name, row.state.lock, row.state.decided);
  const more =
    others.length === 0
      ? ""
      : ` So ${others.length === 1 ? "is 1 other" : `are ${others.length} others`} of its names.`;
  return new RegistryLockError(
    "held",
    `Nothing was imported: ${held.message}${more}${row.state.lock.holderInstance === RECOVERY_INSTANCE ? "" : FORCE_REMEDY}`,
    held.details,
  );
}

/** Under its new name, the ID could be claimed while the holder of the old one still acts under it. */
function refuseMovedIds(rows: readonly JudgedRecord[], imported: ImportedEntries): RegistryLockError | null {
  if (rows.length === 0) return null;
  const names = new Map([...imported].map(([name, source]) => [entryIdOf(source), name]));
  for (const { record, state } of rows) {
    const newName = names.get(record.entry.id);
    if (state.kind !== "held" || newName === undefined || newName === record.name) continue;
    const held = heldError(record.name, state.lock, state.decided);
    return new RegistryLockError(
      "held",
      `Nothing was imported: the ID of ${quoteName(record.name)} would pass to ${quoteName(newName)}. ${held.message} Stop its holder first; an import cannot be forced here.`,
      held.details,
    );
  }
  return null;
}

function oneIdTwice(id: string, name: string, other: string): NameholdError {
  return new NameholdError(
    "invalid-input",
    `In the data, ${quoteName(name)} and ${quoteName(other)} have one ID, ${id}. Two names never share an ID: take one of them out, or give it another. Nothing was imported.`,
    { name: other },
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
