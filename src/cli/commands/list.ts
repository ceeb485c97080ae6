import { type Command, Option } from "commander";
import { COMPONENT_TYPES, type ComponentType } from "../../core/entry.js";
import type { NamedEntry } from "../../registry/registry.js";
import { defineCommand, type GlobalOptions, withRegistry } from "../command-definition.js";
import { type EntryStatus, entryJson, entryStatus, holderText } from "../entry-view.js";
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
  crashed: colour.red,
  free: colour.dim,
};

const COLUMNS: readonly Column[] = [
  { title: "Name", widthMin: 16 },
  { title: "ID" },
  { title: "Type", widthMin: 4, optional: true },
  { title: "Status", widthMin: 6, optional: true },
  { title: "Holder", widthMin: 10, optional: true },
  { title: "Last seen", widthMin: 11, optional: true },
];

export function addListCommand(program: Command): void {
  defineCommand(program, {
    usage: "list",
    summary: "list all names with their IDs and who holds them",
    description:
      "List all names with their IDs and who holds them. Components that crashed are always shown, with the status 'crashed'. On a terminal the table is as wide as that (or COLUMNS); elsewhere nothing is shortened.",
    examples: ["namehold list", "namehold list --type node --json"],
    failures: [],
  })
    .addOption(new Option("-t, --type <type>", "only components of this type").choices(COMPONENT_TYPES))
    .option(
      "--include-stale",
      "changes nothing: crashed components are always shown (the reference hides them without it)",
    )
    .action((_options: unknown, command: Command) => list(command.optsWithGlobals<ListOptions>()));
}

async function list(options: ListOptions): Promise<void> {
  const filter = options.type === undefined ? {} : { componentType: options.type };
  const { entries, location } = await withRegistry(options, async (registry) => {
    const found = await withProgress("Reading", async (onProgress) => {
      const all: NamedEntry[] = [];
      for await (const named of registry.list(filter)) onProgress(all.push(named));
      return all;
    });
    return { entries: found, location: registry.location };
  });
  if (options.json === true) printJson(entries.map(entryJson));
  else if (entries.length > 0) print(formatTable(COLUMNS, entries.map(rowOf), widthOf(process.stdout)));
  else print(`No ${options.type ?? "name"} is registered in ${printable(location)}.`);
}

function rowOf(named: NamedEntry): Row {
  const { name, entry } = named;
  const status = entryStatus(named);
  const holder = entry.lock === null ? "" : printable(holderText(entry.lock));
  const lastSeen = displayTime(entry.lastSeen);
  const shownStatus = { text: status, paint: STATUS_COLOURS[status] };
  return [displayName(name), entry.id, entry.componentType, shownStatus, holder, lastSeen];
}
