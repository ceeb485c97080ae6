import { type Command, InvalidArgumentError, Option } from "commander";
import { systemClock } from "../../platform/clock.js";
import type { Hold } from "../../registry/history.js";
import type { Registry } from "../../registry/registry.js";
import { missingRegistry } from "../../registry/registry-place.js";
import { defineCommand, type GlobalOptions, withRegistry } from "../command-definition.js";
import { holdJson, holdText, stateThen, thenText, whoText } from "../history-view.js";
import { describeMoment, type Moment, parseMoment } from "../moment.js";
import { displayName, displayTime, print, printable, printJson, tell } from "../output.js";
import { fitsTable, formatBlocks, formatTable, type Row } from "../table.js";
import { widthOf } from "../terminal.js";

interface HistoryOptions extends GlobalOptions {
  readonly at?: Moment;
  readonly limit: number;
}

const LIMIT = 50;
const NAMES_MAX = 20;

export function addHistoryCommand(program: Command): void {
  defineCommand(program, {
    usage: "history [name-or-id]",
    summary: "show who held a name, from when to when, and how it ended",
    description:
      "Show who held a name, or any name: from when to when, how it ended, and with which fencing token. A hold ends released (given up by its holder), crashed (its process was found dead), silent (it gave no sign of life in time; its process may have been stopped, and gone on), revoked (by an operator), renamed, or lost (taken away otherwise). Holds under earlier names of the same ID are shown as well. What Python processes did is inferred from the registry file, and marked *. The record is bounded, and for people: the oldest holds are forgotten, and one that could not be recorded (on a full disk) is missing.",
    argumentTexts: { "name-or-id": "a name, also a former one; where there is none, an ID (default: all names)" },
    examples: [
      "namehold history",
      "namehold history liquidhandler_1 --limit 5",
      "namehold history --at 02:13",
      "namehold history liquidhandler_1 --at -15m --json",
    ],
    failures: ["not-found"],
  })
    .addOption(
      new Option(
        "--at <time>",
        "who held what at that moment: 02:13 or 02:13:20 (the last such local time), 2026-11-23T02:13Z (local without a zone), or -15m, -30d; 02:13 is the whole minute",
      ).argParser((text) => parseMoment(text, systemClock.wallMs())),
    )
    .addOption(
      new Option("--limit <n>", "at most so many holds, the newest; --at shows all of its moment")
        .default(LIMIT)
        .argParser(parseLimit),
    )
    .action((nameOrId: string | undefined, _options: unknown, command: Command) =>
      history(nameOrId, command.optsWithGlobals<HistoryOptions>()),
    );
}

interface Report {
  readonly nameOrId: string | undefined;
  readonly options: HistoryOptions;
  readonly location: string;
  /** All that is on record. */
  readonly holds: readonly Hold[];
}

async function history(nameOrId: string | undefined, options: HistoryOptions): Promise<void> {
  const { at } = options;
  const { names, ...report } = await withRegistry(options, async (registry) => ({
    nameOrId,
    options,
    location: registry.location,
    holds: await registry.history(nameOrId),
    names: at === undefined || nameOrId !== undefined ? [] : await namesAt(registry, at),
  }));
  if (at === undefined) showHistory(report);
  else showMoment(report, at, names);
}

function showHistory(report: Report): void {
  const shown = limited(report.holds, report.options);
  if (report.options.json === true) printJson(shown.map(holdJson));
  else if (shown.length > 0) print(tableOf(shown, report));
  else print(printable(missingRegistry(report.location) ?? `No hold of ${about(report)} is on record.`));
}

/** @param names the names that existed then, where all are asked about */
function showMoment(report: Report, at: Moment, names: readonly string[]): void {
  const held = report.holds.filter((hold) => stateThen(hold, at) !== undefined);
  const holders = new Set(held.map(({ name }) => name));
  const free = names.filter((name) => !holders.has(name));
  const knownSince = report.holds.length === 0 ? null : Math.min(...report.holds.map(({ since }) => since));
  if (report.options.json === true) {
    const holds = held.map((hold) => ({ ...holdJson(hold), at_that_time: stateThen(hold, at) }));
    printJson({
      at: new Date(at.from).toISOString(),
      at_until: new Date(at.to).toISOString(),
      known_since: knownSince === null ? null : new Date(knownSince).toISOString(),
      holds,
      no_hold_on_record: free,
    });
    return;
  }
  print(`At ${describeMoment(at.from)}:`);
  if (held.length > 0) print(tableOf(held, report, at));
  else print(`Nobody is known to have held ${about(report)}.`);
  if (free.length > 0) print(`No hold on record: ${listed(free)}.`);
  const lines = held.length > 0 || report.nameOrId === undefined ? [] : neighbours(report.holds, at);
  for (const line of lines) print(line);
  if (knownSince !== null && at.from < knownSince) {
    print(`The oldest hold on record began at ${displayTime(knownSince)}: what was before it is not known.`);
  }
}

/** What came before and after a moment at which nobody held the name. */
function neighbours(holds: readonly Hold[], { from, to }: Moment): readonly string[] {
  const before = holds.filter((hold) => hold.kind === "ended").find(({ until }) => until <= from);
  const after = holds.findLast(({ since }) => since > to);
  return [
    ...(before === undefined
      ? []
      : [`Before: ${sentence(before)}, from ${displayTime(before.since)} to ${displayTime(before.until)}.`]),
    ...(after === undefined ? [] : [`After: ${sentence(after)}, from ${displayTime(after.since)}.`]),
  ];
}

function sentence(hold: Hold): string {
  return `${displayName(hold.name)} by ${whoText(hold)}, ${holdText(hold)}`;
}

function tableOf(holds: readonly Hold[], { nameOrId }: Report, at?: Moment): string {
  const showsName = holds.some(({ name }) => name !== nameOrId);
  const rows = holds.map((hold): Row => {
    const until = hold.kind === "ended" ? displayTime(hold.until) : "";
    return [
      ...(showsName ? [displayName(hold.name)] : []),
      ...(at === undefined ? [] : [thenText(hold, at)]),
      displayTime(hold.since),
      until,
      holdText(hold),
      whoText(hold),
      hold.token === null ? "none" : String(hold.token),
    ];
  });
  const columns = [
    ...(showsName ? [{ title: "Name", widthMin: 8 }] : []),
    ...(at === undefined ? [] : [{ title: "At that time" }]),
    { title: "From" },
    { title: "To" },
    { title: "How it ended", widthMin: 8 },
    { title: "Holder", widthMin: 8 },
    { title: "Token", optional: true },
  ];
  const width = widthOf(process.stdout);
  const table = fitsTable(columns, rows, width) ? formatTable(columns, rows, width) : formatBlocks(columns, rows);
  if (!holds.some((hold) => hold.kind === "ended" && hold.observed)) return table;
  return `${table}\n* Nobody told of this end: it is inferred from the registry file, and "To" is the latest that it can have been.`;
}

function limited(holds: readonly Hold[], { limit }: HistoryOptions): readonly Hold[] {
  if (holds.length > limit) tell(`The newest ${limit} of ${holds.length} holds are shown. --limit shows more.`);
  return holds.slice(0, limit);
}

async function namesAt(registry: Registry, at: Moment): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const { name, entry } of registry.list()) if (entry.createdAt <= at.to) names.push(name);
  return names;
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_MAX).map(displayName).join(", ");
  return names.length > NAMES_MAX ? `${shown} and ${names.length - NAMES_MAX} more` : shown;
}

function about({ nameOrId }: Report): string {
  return nameOrId === undefined ? "any name" : printable(displayName(nameOrId));
}

function parseLimit(text: string): number {
  const limit = Number(text);
  if (/^\d+$/.test(text) && limit >= 1 && Number.isSafeInteger(limit)) return limit;
  throw new InvalidArgumentError("Write a number from 1 on.");
}
