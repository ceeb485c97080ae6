import { type Command, Option } from "commander";
import { COMPONENT_TYPES, type ComponentType } from "../../core/entry.js";
import { EntryDamage } from "../../core/text/entry-text.js";
import type { NamedEntry } from "../../registry/registry.js";
import { missingRegistry } from "../../registry/registry-place.js";
import { defineCommand, type GlobalOptions, withRegistry } from "../command-definition.js";
import { type EntryStatus, entryJson, entryStatus, holdersLock, holderText, statusInWords } from "../entry-view.js";
import { colour, displayName, displayTime, print, printable, printJson } from "../output.js";
import { withProgress } from "../progress.js";
import { type Column, formatTable, type Row } from "../table.js";
import { widthOf } from "../terminal.js";

interface ListOptions extends GlobalOptions {
  readonly type?: ComponentType;
}

const STATUS_COLOURS: Readonly<Record<EntryStatus, (text: string) => string>> = {
  held: colour.green,
  revoked: colour.yellow,
  "held-back": colour.yellow,
  crashed: colour.red,
  silent: colour.red,
  free: colour.dim,
};

const COLUMNS: readonly Column[] = [
  { title: "Name", widthMin: 16 },
  { title: "ID", optional: true },
  { title: "Type", widthMin: 4, optional: true },
  { title: "Status", widthMin: 7 },
  { title: "Holder", widthMin: 10, optional: true },
  { title: "Last seen", widthMin: 11, optional: true },
];

export function addListCommand(program: Command): void {
  defineCommand(program, {
    usage: "list",
    summary: "list all names with their IDs and who holds them",
    description:
      "List all names with their IDs and who holds them. Components whose holder is gone are always shown: with the status 'crashed' when its process was proved dead, and 'silent' when it has shown no sign of life for its TTL (it may be stopped, and go on). Either name is free to take. On a terminal the table is as wide as that (or COLUMNS); elsewhere nothing is shortened.",
    examples: ["namehold list", "namehold list --type node --json"],
    failures: [],
  })
    .addOption(new Option("-t, --type <type>", "only components of this type").choices(COMPONENT_TYPES))
    .option(
      "--include-stale",
      "changes nothing: crashed and silent components are always shown (the reference hides them without it)",
    )
    .action((_options: unknown, command: Command) => list(command.optsWithGlobals<ListOptions>()));
}

async function list(options: ListOptions): Promise<void> {
  const filter = options.type === undefined ? {} : { componentType: options.type };
  const { entries, damage, location } = await withRegistry(options, async (registry) => ({
    ...(await withProgress("Reading", (onProgress) => readable(registry.list(filter), onProgress))),
    location: registry.location,
  }));
  const unreadable = damage?.place.name === undefined ? [] : [damage.place.name, ...(damage.place.others ?? [])];
  const rows = [...entries.map(rowOf), ...unreadable.map(unreadableRow)];
  if (options.json === true) printJson([...entries.map(entryJson), ...unreadable.map(unreadableJson)]);
  else if (rows.length > 0) print(formatTable(COLUMNS, rows, widthOf(process.stdout)));
  else print(printable(missingRegistry(location) ?? `No ${options.type ?? "name"} is registered in ${location}.`));
  if (damage !== undefined) throw damage;
}

interface Readable {
  readonly entries: readonly NamedEntry[];
  /** What ended the list, when all that can be read had come. */
  readonly damage?: EntryDamage;
}

async function readable(all: AsyncIterable<NamedEntry>, onProgress: (count: number) => void): Promise<Readable> {
  const entries: NamedEntry[] = [];
  try {
    for await (const named of all) onProgress(entries.push(named));
  } catch (damage) {
    if (!(damage instanceof EntryDamage)) throw damage;
    return { entries, damage };
  }
  return { entries };
}

function unreadableRow(name: string): Row {
  return [displayName(name), "", "", { text: "unreadable", paint: colour.red }, "", ""];
}

function unreadableJson(name: string): object {
  return { name, id: null, status: "unreadable" };
}

function rowOf(named: NamedEntry): Row {
  const { name, entry } = named;
  const status = entryStatus(named);
  const lock = holdersLock(entry.lock);
  const holder = lock === null ? "" : printable(holderText(lock));
  const lastSeen = displayTime(entry.lastSeen);
  const shownStatus = { text: statusInWords(named), paint: STATUS_COLOURS[status] };
  return [displayName(name), printable(entry.id), entry.componentType, shownStatus, holder, lastSeen];
}
