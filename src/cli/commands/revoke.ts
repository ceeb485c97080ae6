import type { Command } from "commander";
import type { FormerHolder, RevokedEntry } from "../../registry/registry.js";
import { defineCommand, type GlobalOptions, withRegistry } from "../command-definition.js";
import { entryDetailsJson, holderJson, holdersLock, holderText } from "../entry-view.js";
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
      "End somebody's lock on a name. Its holder is told at its next heartbeat; the name is free when it has given it up, when it is proved dead, or when its TTL is over. With --now it is free at once, and it is told who may act beside the next holder, and for how long (may_act_ms in JSON: null where that is not bounded).",
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
  const revoked = await withRegistry(options, (registry) =>
    registry.revoke(name, { reason: options.reason, now: options.now === true }),
  );
  if (options.json === true) printJson(revokedJson(revoked));
  else print(`${displayName(name)} ${outcome(revoked)}`);
}

function revokedJson(revoked: RevokedEntry): object {
  const { former, revocation } = revoked;
  return {
    ...entryDetailsJson(revoked),
    revoked: former !== null || revocation !== null,
    former_holder: former === null ? null : holderJson(former.lock),
    may_act_ms: former === null ? null : mayActMs(former),
  };
}

/** For how long two may act; null where nothing but its own end stops the former holder. */
function mayActMs({ lock, state, isTold }: FormerHolder): number | null {
  if (holdersLock(lock) === null) return null;
  if (state.kind === "free" && state.why === "dead") return 0;
  if (!isTold) return null;
  return state.kind === "free" ? 0 : Math.ceil(state.lapsesInMs);
}

function outcome({ entry, state, former }: RevokedEntry): string {
  if (former !== null) return `is free at once. ${formerText(former)}`;
  if (state.kind === "free") return entry.lock === null ? "is free: nobody held it." : "is free already.";
  const holder = printable(holderText(state.lock));
  const until = `when ${holder} gives it up, and in ${displayDuration(state.lapsesInMs)} at the latest`;
  return entry.lock === null ? `has no lock to revoke. It is free ${until}.` : `is revoked: free ${until}.`;
}

function formerText(former: FormerHolder): string {
  const { lock, state, isTold } = former;
  if (holdersLock(lock) === null)
    return "It was held back after damage: a process whose lock was lost in it may hold the name, and is not told.";
  const holder = printable(holderText(lock));
  if (state.kind === "free" && state.why === "dead") return `Its holder, ${holder}, was dead.`;
  if (!isTold)
    return `Its former holder, ${holder}, takes no token (a Python process) and is not told: it may act until it is ended.`;
  if (state.kind === "free")
    return `Its former holder, ${holder}, was silent for its TTL. If it was stopped and goes on, it is told then, and may still do what it was about to do.`;
  return `Its former holder, ${holder}, is told at its next heartbeat, and may act until then: for ${displayDuration(state.lapsesInMs)} at the latest.`;
}
