import { isatty } from "node:tty";
import type { Command } from "commander";
import type { NameChange, NameChangeKind } from "../../core/changes.js";
import { quoteName } from "../../core/name.js";
import { printableJson } from "../../core/printable.js";
import { systemClock } from "../../platform/clock.js";
import { hasLostReader } from "../../platform/output-reader.js";
import type { RegistryChange, StoreChange } from "../../registry/changes.js";
import type { NamedEntry, Registry } from "../../registry/registry.js";
import { defineCommand, type GlobalOptions, withRegistry } from "../command-definition.js";
import { entryDetailsJson, entryJson } from "../entry-view.js";
import { colour, displayName, displayTime, printable, tell } from "../output.js";
import { signalStatus } from "../run/signal-forwarding.js";

const STDOUT = 1;
const STDERR = 2;
const READER_CHECK_MS = 250;

const COLOURS: Readonly<Record<NameChangeKind, (text: string) => string>> = {
  registered: colour.cyan,
  removed: colour.red,
  renamed: colour.cyan,
  "id-changed": colour.red,
  "type-changed": colour.yellow,
  "workcell-changed": String,
  "metadata-changed": String,
  held: colour.green,
  released: colour.dim,
  crashed: colour.red,
  silent: colour.red,
  revoked: colour.yellow,
  "waiters-changed": String,
};

const DESCRIPTION = [
  "Print what happens to names, as it happens: registered, held, released, crashed, revoked, renamed and so on, one change a line. With --json, one JSON object a line: the entry as 'show' prints it, with what has changed and what was before. Heartbeats are no changes.",
  "What happens faster than it can be looked at or read is told together; the last state of every name always is. Trouble with the registry that may pass is told on standard error, and the watch goes on. It ends by a signal (Ctrl-C), or when nobody reads it any more. Watching never locks a name.",
].join("\n\n");

export function addWatchCommand(program: Command): void {
  defineCommand(program, {
    usage: "watch [names...]",
    summary: "print changes as they happen, one a line",
    description: DESCRIPTION,
    argumentTexts: { names: "only these names, registered or not; all names, if none is given" },
    examples: ["namehold watch | head -1", "namehold watch liquidhandler_1 liquidhandler_2 --json | head -1"],
    failures: [],
    otherStatuses: [["128+n", "ended by signal n: 130 by Ctrl-C, 143 by SIGTERM"]],
  }).action((names: readonly string[], _options: unknown, command: Command) =>
    watch(names, command.optsWithGlobals<GlobalOptions>()),
  );
}

async function watch(names: readonly string[], options: GlobalOptions): Promise<void> {
  endBySignals();
  endWithoutReader();
  await withRegistry(options, async (registry) => {
    const onStart = (states: readonly NamedEntry[]): void => tellStart(registry, names, { states, options });
    const lines = registry.changes({ ...(names.length === 0 ? {} : { names }), onStart });
    for await (const change of lines) await show(change, options.json === true);
  });
}

/** Nothing is held that would have to be given back: what the reader has not taken by then is lost. */
function endBySignals(): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => process.exit(signalStatus(signal)));
  }
}

/** Not only at the next line, which may be long in coming. This keeps the process alive as well. */
function endWithoutReader(): void {
  if (hasLostReader(STDOUT)) process.exit();
  systemClock.setTimer(READER_CHECK_MS, endWithoutReader);
}

interface Start {
  readonly states: readonly NamedEntry[];
  readonly options: GlobalOptions;
}

function tellStart({ location }: Registry, names: readonly string[], { states, options }: Start): void {
  const known = new Set(states.map(({ name }) => name));
  const unknown = names.filter((name) => !known.has(name)).map(quoteName);
  if (unknown.length > 0) tell(`Not registered yet, and watched for: ${unknown.join(", ")}.`);
  if ((!isatty(STDERR) || options.json === true) && options.verbose !== true) return;
  const what = names.length === 0 ? "all names" : names.map(quoteName).join(", ");
  tell(`Watching ${what} of ${location}. Ctrl-C ends it.`);
}

async function show(change: RegistryChange, json: boolean): Promise<void> {
  const isOfStore = isStoreChange(change);
  if (isOfStore) tell(change.words);
  if (json) await write(printableJson(JSON.stringify(isOfStore ? storeChangeJson(change) : nameChangeJson(change))));
  else if (!isOfStore) {
    const words = COLOURS[change.kind](printable(change.words));
    await write(`${displayTime(change.at)}  ${displayName(change.name)}  ${words}`);
  }
}

function isStoreChange(change: RegistryChange): change is StoreChange {
  return change.kind === "trouble" || change.kind === "trouble-over";
}

function storeChangeJson({ at, kind, name, code, words }: StoreChange): object {
  return { at: new Date(at).toISOString(), change: kind, name, code, words };
}

/** The entry as `show` has it, among what has changed. */
function nameChangeJson({ at, kind, name, id, before, now, ending, words }: NameChange): object {
  return {
    at: new Date(at).toISOString(),
    change: kind,
    name,
    id,
    ...(now === null ? {} : entryDetailsJson(now)),
    before: before === null ? null : entryJson(before),
    ending,
    words,
  };
}

/** Resolves when the reader, or the pipe to it, has taken the line: no more lines are made than are read. */
function write(line: string): Promise<void> {
  return new Promise((resolve) => {
    // A failure ends the process: see surviveLostOutput.
    process.stdout.write(`${line}\n`, () => resolve());
  });
}
