/** What concerns many entries at once: cleaning, exporting, importing. */
import type { JsonObject, RegistryEntry } from "../core/entry.js";
import { NameholdError, RegistryError } from "../core/errors.js";
import { editEntry } from "../core/text/entry-text.js";
import { RegistryDocument } from "../core/text/registry-document.js";
import type { ChangePart } from "../stores/store.js";
import { commit } from "./commit.js";
import { endingOf } from "./ending.js";
import { type ImportChange, type ImportPlan, parseImport, planMerge, planReplace } from "./import-plan.js";
import { expected, readAll } from "./judged-record.js";
import type { Observer } from "./observer.js";
import type { Registry } from "./registry.js";
import { stepsOf } from "./steps.js";

const DAY_MS = 24 * 60 * 60 * 1000;

export interface ProgressOptions {
  /** Called after each entry that was read, with how many they are so far. */
  readonly onProgress?: (entries: number) => void;
}

export interface StaleEntry {
  readonly name: string;
  readonly entry: RegistryEntry;
}

export interface CleanOptions extends ProgressOptions {
  /** Names not seen for this many days are removed. Default 7. */
  readonly olderThanDays?: number;
  /** Only tell which they are. Default false. */
  readonly dryRun?: boolean;
  /**
   * Of these alone, as a dry run has told them: what came alive, or has another ID by now, stays. Default: of all.
   */
  readonly only?: readonly StaleEntry[];
}

export interface CleanReport {
  /** What was removed, or would be. */
  readonly removed: readonly StaleEntry[];
  /** Where the registry is kept as it was before: for the file stores a file that an import takes. One a step, a line each. */
  readonly backup: string | null;
  /**
   * In how many changes it was done (would be, in a dry run), where the store does not take all in one: they are not all or
   * nothing together, and a repeated run does what is left.
   */
  readonly steps?: number;
}

export interface ImportOptions extends ProgressOptions {
  /**
   * Default true: names that exist are kept as they are. False replaces the registry: names that are not in the data
   * are removed. Refused with `held` while a name that would change is held.
   */
  readonly merge?: boolean;
  /**
   * Replace held names too; their holders are told that they were revoked. Not where the ID of one would pass to another
   * name, under which it could be claimed beside its holder. Default false.
   */
  readonly force?: boolean;
  /** Only tell what would be done, and what would refuse it. Default false. */
  readonly dryRun?: boolean;
  /** What a dry run has told: refused with `aborted` when it would be something else by now. */
  readonly preview?: ImportReport;
}

export interface ImportReport {
  readonly added: readonly string[];
  readonly replaced: readonly string[];
  readonly removed: readonly string[];
  /** Names of the data that existed already and were left alone. */
  readonly kept: readonly string[];
  /** The same, with what is different. */
  readonly changes: readonly ImportChange[];
  /** Where the registry is kept as it was before; null when no ID went away or changed. */
  readonly backup: string | null;
  /** As in `CleanReport`. */
  readonly steps?: number;
  /** Of a dry run: the error that the import would fail with. */
  readonly refusal: NameholdError | null;
}

/** @throws RegistryError `outcome-unknown`; NameholdError `invalid-input` */
export async function clean(registry: Registry, observer: Observer, options: CleanOptions): Promise<CleanReport> {
  const olderThanDays = options.olderThanDays ?? 7;
  if (!(olderThanDays >= 0)) {
    throw new NameholdError("invalid-input", `olderThanDays must be 0 or more, not ${String(olderThanDays)}.`);
  }
  const { clock, holder } = registry.lockManager;
  const before = clock.wallMs() - olderThanDays * DAY_MS;
  const idsShown = options.only && new Map(options.only.map(({ name, entry }) => [name, entry.id]));
  const removed: StaleEntry[] = [];
  const backups: string[] = [];
  let done = 0;
  for (;;) {
    const stale: StaleEntry[] = [];
    const parts: ChangePart[] = [];
    for (const row of await readAll(registry, observer, options.onProgress)) {
      const { name, entry } = row.record;
      if (row.state.kind === "held" || entry.lastSeen >= before) continue;
      if (idsShown !== undefined && idsShown.get(name) !== entry.id) continue;
      stale.push({ name, entry });
      parts.push({ kind: "remove", ...expected(row), ends: endingOf(row.state) });
    }
    const steps = stepsOf(parts, registry.store);
    if (options.dryRun === true) return { removed: stale, backup: null, ...severalSteps(steps.length) };
    let isDone = true;
    for (const step of steps) {
      const result = await commit(registry.store, holder, step);
      isDone = result.kind === "done";
      if (result.kind !== "done") break;
      if (result.backup !== undefined) backups.push(result.backup);
      const names = new Set(step.map(({ name }) => name));
      removed.push(...stale.filter(({ name }) => names.has(name)));
      done += 1;
    }
    if (isDone) return { removed, backup: backups.join("\n") || null, ...severalSteps(done) };
  }
}

function severalSteps(steps: number): { readonly steps?: number } {
  return steps > 1 ? { steps } : {};
}

/**
 * Entries alone: what else a registry has is its store's own.
 *
 * @throws RegistryError `damaged` while damage waits for an operator: names may be missing
 */
export async function exportText(registry: Registry, { onProgress }: ProgressOptions): Promise<string> {
  const document = RegistryDocument.empty(registry.lockManager.clock.wallMs());
  for await (const { record } of registry.store.list()) {
    if (record !== null) document.setEntry(record.name, editEntry(record.source, { lock: null }));
    onProgress?.(document.size);
  }
  // Afterwards: what the reading has found is known by now.
  const damage = await registry.recovery?.inspect();
  if (damage == null) return document.toString();
  throw new RegistryError(
    "damaged",
    `The registry ${registry.location} was damaged (${damage.what}), and names may be missing: nothing was exported. See 'namehold recover'.`,
  );
}

/**
 * @throws NameholdError `invalid-input`, `aborted`
 * @throws RegistryError `already-exists`, `outcome-unknown`
 * @throws RegistryLockError `held`
 */
export async function importEntries(
  registry: Registry,
  observer: Observer,
  data: string | JsonObject,
  options: ImportOptions,
): Promise<ImportReport> {
  const imported = parseImport(data);
  const { dryRun = false, preview, merge = true, force = false } = options;
  for (;;) {
    const rows = new Map((await readAll(registry, observer, options.onProgress)).map((row) => [row.record.name, row]));
    const plan = merge ? planMerge(rows, imported) : planReplace(rows, imported, force);
    if (preview !== undefined && !isAsShown(plan, preview)) throw changedSincePreview();
    const steps = stepsOf(plan.parts, registry.store);
    const several = severalSteps(steps.length);
    const refusal = plan.refusal ?? refuseDivided(plan, registry);
    if (dryRun) {
      return { ...reportOf(plan, null, refusal ?? (await refusalOfNew(registry, plan))), ...several };
    }
    if (refusal !== null) throw refusal;
    const backups: string[] = [];
    let done = 0;
    for (const step of steps) {
      const result = await commit(registry.store, registry.lockManager.holder, step);
      if (result.kind !== "done") break;
      if (result.backup !== undefined) backups.push(result.backup);
      done += 1;
    }
    if (done === steps.length) return { ...reportOf(plan, backups.join("\n") || null), ...several };
    if (done > 0) throw changedBetweenSteps(done, steps.length, backups);
  }
}

/** IDs that pass between names pass in one change, or two names would have one in between. */
function refuseDivided({ linkedParts }: ImportPlan, { store, location }: Registry): NameholdError | null {
  const { partsMax } = store.capabilities;
  if (partsMax === undefined || linkedParts <= partsMax) return null;
  return new NameholdError(
    "invalid-input",
    `Nothing was imported: IDs would pass between ${linkedParts} names, and ${location} changes at most ${partsMax} at once. Rename them first, or import into an empty registry.`,
  );
}

function changedBetweenSteps(done: number, steps: number, backups: readonly string[]): RegistryError {
  const kept = backups.length === 0 ? "" : ` What was there before is kept in ${backups.join(", ")}.`;
  return new RegistryError(
    "busy",
    `The registry was changed by others while it was imported: ${done} of ${steps} steps are done. Repeat the import: it does what is left.${kept}`,
  );
}

/** After damage, no names may be made until an operator has confirmed what is left. */
async function refusalOfNew(registry: Registry, { changes }: ImportPlan): Promise<NameholdError | null> {
  const added = changes.find(({ kind }) => kind === "added");
  if (added === undefined) return null;
  try {
    await registry.store.read(added.name);
    return null;
  } catch (error) {
    if (error instanceof NameholdError) return error;
    throw error;
  }
}

function reportOf({ changes }: ImportPlan, backup: string | null, refusal: NameholdError | null = null): ImportReport {
  const named = (kind: ImportChange["kind"]) => changes.filter((it) => it.kind === kind).map(({ name }) => name);
  return {
    added: named("added"),
    replaced: named("replaced"),
    removed: named("removed"),
    kept: named("kept"),
    changes,
    backup,
    refusal,
  };
}

function isAsShown({ changes }: ImportPlan, preview: ImportReport): boolean {
  return JSON.stringify(changes.map(consequence)) === JSON.stringify(preview.changes.map(consequence));
}

/** What of a change must be as it was shown. Of a name that stays as it is, nothing but that. */
function consequence({ name, kind, idBefore, idInData, differences, heldBy }: ImportChange): readonly unknown[] {
  return kind === "kept" ? [name] : [name, kind, idBefore, idInData, differences, heldBy?.instance];
}

function changedSincePreview(): NameholdError {
  return new NameholdError(
    "aborted",
    "The registry has changed since the preview, and the import would do something else now. Nothing was imported. Look again.",
  );
}
