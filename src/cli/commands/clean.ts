import { type Command, InvalidArgumentError } from "commander";
import type { Registry } from "../../registry/registry.js";
import { missingRegistry } from "../../registry/registry-place.js";
import type { CleanReport, StaleEntry } from "../../registry/transfer.js";
import { backupLines, wayBackLines } from "../backup-view.js";
import { defineCommand, type GlobalOptions, withRegistry } from "../command-definition.js";
import { displayName, displayTime, jsonText, print, printable, printOrTell } from "../output.js";
import { withProgress } from "../progress.js";
import { checkCanAsk, confirm } from "../prompt.js";
import { type Column, formatTable } from "../table.js";
import { widthOf } from "../terminal.js";

interface CleanCommandOptions extends GlobalOptions {
  /** Days. */
  readonly olderThan: number;
  readonly dryRun?: boolean;
  readonly force?: boolean;
}

interface Outcome extends CleanReport {
  /** Names that were shown and are in use again. */
  readonly spared: readonly string[];
  readonly dryRun: boolean;
  /** That there is no registry; null where there is. */
  readonly missing: string | null;
}

const COLUMNS: readonly Column[] = [
  { title: "Name", widthMin: 16 },
  { title: "ID" },
  { title: "Type", widthMin: 4, optional: true },
  { title: "Last seen", widthMin: 11, optional: true },
];

export function addCleanCommand(program: Command): void {
  defineCommand(program, {
    usage: "clean",
    summary: "remove names that nobody has used for long",
    description:
      "Remove names that nobody has used for long and nobody holds, with their IDs. What would be removed is shown first. The registry as it was before is kept, in a file or in the database that it is in, and import brings the names back from it with their IDs.",
    examples: ["namehold clean --dry-run", "namehold clean --older-than 30 --force"],
    failures: ["aborted"],
  })
    .option("--older-than <days>", "what was not seen for so many days", parseDays, 7)
    .option("--dry-run", "only show what would be removed")
    .option("-f, --force", "remove without asking")
    .action((_options: unknown, command: Command) => clean(command.optsWithGlobals<CleanCommandOptions>()));
}

async function clean(options: CleanCommandOptions): Promise<void> {
  const asks = options.dryRun !== true && options.force !== true;
  if (asks) checkCanAsk("Say --force to remove without a question, or --dry-run to see what would be removed.");
  const outcome = await withRegistry(options, (registry) =>
    asks ? cleanWhatIsConfirmed(registry, options) : cleanAtOnce(registry, options),
  );
  const text = options.json === true ? jsonText(outcomeJson(outcome)) : describe(outcome, options);
  if (outcome.dryRun || outcome.removed.length === 0) print(text);
  else printOrTell(text, gist(outcome));
}

async function cleanAtOnce(registry: Registry, { olderThan, dryRun = false }: CleanCommandOptions): Promise<Outcome> {
  const report = await withProgress("Reading", (onProgress) =>
    registry.clean({ olderThanDays: olderThan, dryRun, onProgress }),
  );
  return { ...report, spared: [], dryRun, missing: missingRegistry(registry.location) };
}

/** Removes of what was shown what is not in use by then, and nothing else. */
async function cleanWhatIsConfirmed(registry: Registry, options: CleanCommandOptions): Promise<Outcome> {
  const shown = await cleanAtOnce(registry, { ...options, dryRun: true });
  if (shown.removed.length === 0) return { ...shown, dryRun: false };
  process.stderr.write(`${table(shown.removed, process.stderr)}\n`);
  await confirm(`Remove ${counted(shown.removed)}, and their IDs?`, "Nothing was removed.");
  const report = await withProgress("Removing", (onProgress) =>
    registry.clean({ olderThanDays: options.olderThan, only: shown.removed, onProgress }),
  );
  const removed = new Set(report.removed.map(({ name }) => name));
  const spared = shown.removed.map(({ name }) => name).filter((name) => !removed.has(name));
  return { ...report, spared, dryRun: false, missing: null };
}

function describe({ removed, backup, spared, dryRun, missing }: Outcome, options: CleanCommandOptions): string {
  const inUse = spared.length === 0 ? [] : [`In use again, and not removed: ${spared.map(displayName).join(", ")}`];
  if (removed.length === 0 && inUse.length > 0) return inUse.join("\n");
  if (missing !== null) return `${printable(missing)} There is nothing to remove.`;
  if (removed.length === 0) {
    return `There is nothing to remove: no free name was last seen more than ${options.olderThan} days ago.`;
  }
  // What was asked about has been shown.
  const shown = dryRun || options.force === true ? [table(removed, process.stdout)] : [];
  if (dryRun) return [...shown, `${counted(removed)} would be removed.`].join("\n");
  return [...shown, `Removed ${counted(removed)}.`, ...inUse, ...wayBack(backup, options)].join("\n");
}

/** What must not be lost with the output. */
function gist({ removed, backup }: Outcome): string {
  const kept = backup === null ? [] : backupLines(backup);
  return [`Removed ${counted(removed)}.`, ...kept].join(" ");
}

function wayBack(backup: string | null, { registryPath }: GlobalOptions): readonly string[] {
  if (backup === null) return [];
  return [...backupLines(backup), ...wayBackLines(backup, registryPath)];
}

function table(entries: readonly StaleEntry[], output: typeof process.stdout | typeof process.stderr): string {
  const rows = entries.map(({ name, entry }) => [
    displayName(name),
    printable(entry.id),
    entry.componentType,
    displayTime(entry.lastSeen),
  ]);
  return formatTable(COLUMNS, rows, widthOf(output));
}

function counted({ length }: readonly unknown[]): string {
  return length === 1 ? "1 name" : `${length} names`;
}

function outcomeJson({ removed, backup, spared, dryRun }: Outcome): object {
  return {
    dry_run: dryRun,
    removed: removed.map(({ name, entry }) => ({
      name,
      id: entry.id,
      type: entry.componentType,
      last_seen: new Date(entry.lastSeen).toISOString(),
    })),
    spared,
    backup,
  };
}

function parseDays(text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new InvalidArgumentError("Write a number of days: 7, 30 or 0.5.");
  return Number(text);
}
