import { type Command, Option } from "commander";
import { COMPONENT_TYPES, type ComponentType } from "../../core/entry.js";
import type { NamedEntry } from "../../registry/registry.js";
import { defineCommand, type GlobalOptions, withRegistry } from "../command-definition.js";
import { type EntryStatus, entryJson, entryStatus, holderText } from "../entry-view.js";
import { colour, displayName, displayTime, print, printable, printJson } from "../output.js";

interface ListOptions extends GlobalOptions {
  readonly type?: ComponentType;
}

const STATUS_COLOURS: Readonly<Record<EntryStatus, (text: string) => string>> = {
  held: colour.green,
  revoked: colour.yellow,
  crashed: colour.red,
  free: colour.dim,
};

export function addListCommand(program: Command): void {
  defineCommand(program, {
    usage: "list",
    summary: "list all names with their IDs and who holds them",
    description:
      "List all names with their IDs and who holds them. Components that crashed are always shown, with the status 'crashed'.",
    examples: ["namehold list", "namehold list --type node --json | jq -r '.[].name'"],
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
    const found: NamedEntry[] = [];
    for await (const named of registry.list(filter)) found.push(named);
    return { entries: found, location: registry.location };
  });
  if (options.json === true) printJson(entries.map(entryJson));
  else if (entries.length > 0) print(await table(entries));
  else print(`No ${options.type ?? "name"} is registered in ${printable(location)}.`);
}

async function table(entries: readonly NamedEntry[]): Promise<string> {
  // Loaded where it is needed: it costs more than the rest of the start.
  const { default: Table } = await import("cli-table3");
  const rows = new Table({
    head: ["Name", "ID", "Type", "Status", "Holder", "Last seen"],
    style: { head: [], border: [] },
  });
  for (const named of entries) {
    const { name, entry } = named;
    const status = entryStatus(named);
    const holder = entry.lock === null ? "" : printable(holderText(entry.lock));
    const lastSeen = displayTime(entry.lastSeen);
    rows.push([displayName(name), entry.id, entry.componentType, STATUS_COLOURS[status](status), holder, lastSeen]);
  }
  return rows.toString();
}
