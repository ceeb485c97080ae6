import type { Command } from "commander";
import type { NamedEntry } from "../../registry/registry.js";
import { defineCommand, type GlobalOptions, withRegistry } from "../command-definition.js";
import { entryDetailsJson, holderText } from "../entry-view.js";
import { displayDuration, displayName, print, printable, printJson } from "../output.js";

interface RevokeOptions extends GlobalOptions {
  readonly reason: string;
  readonly now?: boolean;
}

export function addRevokeCommand(program: Command): void {
  defineCommand(program, {
    usage: "revoke <name>",
    summary: "end somebody's lock on a name",
    description:
      "End somebody's lock on a name. Its holder is told at its next heartbeat; the name is free when it has given it up, when it is proved dead, or when its TTL is over.",
    argumentTexts: { name: "a name that somebody holds" },
    examples: ["namehold revoke liquidhandler_1 --reason 'maintenance'"],
    failures: ["not-found"],
  })
    .option("--reason <text>", "what the holder is told", "revoked by an operator")
    .option("--now", "free the name at once: two processes may then act for a while")
    .action((name: string, _options: unknown, command: Command) =>
      revoke(name, command.optsWithGlobals<RevokeOptions>()),
    );
}

async function revoke(name: string, options: RevokeOptions): Promise<void> {
  const named = await withRegistry(options, (registry) =>
    registry.revoke(name, { reason: options.reason, now: options.now === true }),
  );
  if (options.json === true) printJson(entryDetailsJson(named));
  else print(outcome(named));
}

function outcome({ name, entry, state }: NamedEntry): string {
  if (state.kind === "free" || entry.lock === null) return `${displayName(name)} is free.`;
  const holder = printable(holderText(entry.lock));
  return `${displayName(name)} is revoked: free when ${holder} gives it up, and in ${displayDuration(state.lapsesInMs)} at the latest.`;
}
