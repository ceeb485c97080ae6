import type { Command } from "commander";
import { RegistryError } from "../../core/errors.js";
import { quoteName } from "../../core/name.js";
import type { NamedEntry } from "../../registry/registry.js";
import { defineCommand, type GlobalOptions, withRegistry } from "../command-definition.js";
import { entryDetailsJson, entryStatus, holderText } from "../entry-view.js";
import { displayDuration, displayName, displayTime, print, printable, printJson } from "../output.js";

export function addShowCommand(program: Command): void {
  defineCommand(program, {
    usage: "show <name-or-id>",
    summary: "show all that is known about a name or an ID",
    description:
      "Show all that is known about a name or an ID: who holds it, since when and until when, its fencing token, who waits for it, and what is stored with it.",
    argumentTexts: { "name-or-id": "a name; where there is none of that name, an ID" },
    examples: ["namehold show liquidhandler_1", "namehold show 01JYFH2Q4N6Z0V5X1T8R3C7W9K --json"],
    failures: ["not-found"],
  }).action((nameOrId: string, _options: unknown, command: Command) =>
    show(nameOrId, command.optsWithGlobals<GlobalOptions>()),
  );
}

async function show(nameOrId: string, options: GlobalOptions): Promise<void> {
  const named = await withRegistry(options, async (registry) => {
    const found = await registry.find(nameOrId);
    if (found !== null) return found;
    const message = `There is no name or ID ${quoteName(nameOrId)} in ${registry.location}. See namehold list.`;
    throw new RegistryError("not-found", message, { name: nameOrId });
  });
  if (options.json === true) printJson(entryDetailsJson(named));
  else
    print(
      details(named)
        .map(([label, text]) => `${label.padEnd(10)} ${text}`)
        .join("\n"),
    );
}

function details(named: NamedEntry): readonly (readonly [string, string])[] {
  const { name, entry, token, waiters, revocation } = named;
  return [
    ["Name", displayName(name)],
    ["ID", entry.id],
    ["Type", entry.componentType],
    ["Status", statusText(named)],
    ...lockRows(named),
    ...(revocation === null
      ? []
      : [["Revoked", `${displayTime(revocation.at)}: ${printable(revocation.reason)}`] as const]),
    ...(token === null ? [] : [["Token", String(token)] as const]),
    ...(waiters.length === 0 ? [] : [["Waiting", String(waiters.length)] as const]),
    ["Created", displayTime(entry.createdAt)],
    ["Last seen", displayTime(entry.lastSeen)],
    ...(entry.workcellId === null ? [] : [["Workcell", printable(entry.workcellId)] as const]),
    ...(Object.keys(entry.metadata).length === 0
      ? []
      : [["Metadata", printable(JSON.stringify(entry.metadata))] as const]),
  ];
}

function statusText(named: NamedEntry): string {
  const status = entryStatus(named);
  const { state } = named;
  if (state.kind === "free") return status === "crashed" ? `crashed (its lock is free to take: ${state.why})` : status;
  const lapse = `free in ${displayDuration(state.lapsesInMs)} ${status === "revoked" ? "at the latest" : "unless it is refreshed"}`;
  return `${status} (${state.decided ? lapse : "by its written times it is over, but the clock cannot be trusted to say so"})`;
}

function lockRows({ entry: { lock } }: NamedEntry): readonly (readonly [string, string])[] {
  if (lock === null) return [];
  return [
    ["Holder", printable(`${holderText(lock)}, instance ${lock.holderInstance}`)],
    ["Since", displayTime(lock.acquiredAt)],
    ["Heartbeat", displayTime(lock.heartbeatAt)],
    ["Until", displayTime(lock.expiresAt)],
  ];
}
