import type { Command } from "commander";
import type { LockState } from "../../core/lock-rules.js";
import type { NamedEntry, Registry } from "../../registry/registry.js";
import { notFound } from "../../registry/registry-place.js";
import { defineCommand, type GlobalOptions, withRegistry } from "../command-definition.js";
import { entryDetailsJson, entryStatus, holdersLock, holderText, statusInWords } from "../entry-view.js";
import { displayDuration, displayName, displayTime, print, printable, printJson } from "../output.js";
import { type StoredMetadata, storedMetadata } from "../stored-metadata.js";

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
  const { named, metadata } = await withRegistry(options, async (registry) => {
    const found = await registry.find(nameOrId);
    if (found !== null) return { named: found, metadata: await metadataOf(registry, found) };
    throw notFound(nameOrId, registry.location, { what: "name or ID" });
  });
  if (options.json === true) printJson(entryDetailsJson(named, metadata));
  else
    print(
      details(named, metadata)
        .map(([label, text]) => `${label.padEnd(10)} ${text}`)
        .join("\n"),
    );
}

async function metadataOf(registry: Registry, { name, entry }: NamedEntry): Promise<StoredMetadata> {
  const { record } = await registry.store.read(name);
  // Removed in between, it is shown as it was found.
  return storedMetadata(record?.source ?? JSON.stringify({ metadata: entry.metadata }));
}

function details(named: NamedEntry, metadata: StoredMetadata): readonly (readonly [string, string])[] {
  const { name, entry, token, waiters, revocation } = named;
  return [
    ["Name", displayName(name)],
    ["ID", printable(entry.id)],
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
    ...(metadata.text === "" ? [] : [["Metadata", printable(metadata.text)] as const]),
  ];
}

function statusText(named: NamedEntry): string {
  const status = entryStatus(named);
  const { state } = named;
  if (state.kind === "free")
    return status === "free" ? status : `${status} (${FREE_TEXTS[state.why]}; anybody may take it)`;
  if (status === "held-back")
    return `${statusInWords(named)} (the registry was damaged: a process whose lock was lost in it may hold the name)`;
  const lapse = `free in ${displayDuration(state.lapsesInMs)} ${status === "revoked" ? "at the latest" : "unless it is refreshed"}`;
  return `${status} (${state.decided ? lapse : "by its written times it is over, but the clock cannot be trusted to say so"})`;
}

const FREE_TEXTS = {
  "no lock": "it has no lock",
  dead: "its process is dead",
  silent: "no sign of life for its TTL; its process may be stopped, and may go on",
  expired: "its lock has expired; its process may be stopped, and may go on",
} as const satisfies Record<(LockState & { readonly kind: "free" })["why"], string>;

function lockRows({ entry }: NamedEntry): readonly (readonly [string, string])[] {
  const lock = holdersLock(entry.lock);
  if (lock === null) return [];
  return [
    ["Holder", printable(`${holderText(lock)}, instance ${lock.holderInstance}`)],
    ["Since", displayTime(lock.acquiredAt)],
    ["Heartbeat", displayTime(lock.heartbeatAt)],
    ["Until", displayTime(lock.expiresAt)],
  ];
}
