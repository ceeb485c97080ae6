import { findInEntries } from "../../core/entry-findings.js";
import { isNameholdError, type NameholdError } from "../../core/errors.js";
import type { Check, Checkup, Examined, FixableFinding } from "../../core/finding.js";
import { shellWord } from "../../core/shell-word.js";
import { statsAt } from "../../platform/file-stats.js";
import type { Registry } from "../registry.js";
import { missingRegistry, registryPathOf } from "../registry-place.js";

/** A registry, and what its store has said of itself. */
export interface OpenedRegistry {
  readonly registry: Registry;
  readonly checkups: readonly Checkup[];
}

/** Whether each name is one component, in a store that does not look at that itself. */
export const namesCheck: Check<OpenedRegistry> = {
  check: "names",
  title: "Names and IDs",
  examine: async ({ registry, checkups }): Promise<Examined> => {
    const { entries, isAll, failure } = await read(registry);
    const isKnown = checkups.some(({ findings }) => findings.some(({ severity }) => severity === "problem"));
    const option = `-r ${shellWord(registry.location)}`;
    return {
      looked: [...whatWasRead(entries.length, isAll, failure), ...notLookedAt(registry, checkups)].join("; "),
      findings: [
        ...(failure === undefined || isKnown ? [] : [unreadable(failure)]),
        ...(entries.length === 0 && failure === undefined ? missingFile(registry.location) : []),
        ...findInEntries(entries, { byHand: `Restore a backup that is right: namehold import FILE ${option}`, option }),
      ],
    };
  },
};

/** So many are compared with each other. */
const NAMES_MAX = 10_000;

interface Read {
  readonly entries: readonly { readonly name: string; readonly text: string }[];
  readonly isAll: boolean;
  /** What stood in the way of the others. */
  readonly failure?: NameholdError;
}

async function read({ store }: Registry): Promise<Read> {
  const entries: { readonly name: string; readonly text: string }[] = [];
  try {
    for await (const { name, record } of store.list()) {
      if (entries.length >= NAMES_MAX) return { entries, isAll: false };
      if (record !== null) entries.push({ name, text: record.source });
    }
    return { entries, isAll: true };
  } catch (failure) {
    if (!isNameholdError(failure)) throw failure;
    return { entries, isAll: false, failure };
  }
}

function whatWasRead(count: number, isAll: boolean, failure: NameholdError | undefined): readonly string[] {
  const names = `${count} name${count === 1 ? "" : "s"}`;
  if (failure !== undefined)
    return [count === 0 ? "not looked at: the registry cannot be read" : `${names}; others cannot be read`];
  return [isAll ? names : `the first ${names}`];
}

/** What the checks of a registry file look at, and those of every store on this machine should. */
const WANTED: ReadonlyMap<string, string> = new Map([
  ["access", "permissions"],
  ["clock", "the clock"],
  ["holders", "the holders' processes"],
  ["leftovers", "leftovers of crashed processes"],
]);

function notLookedAt({ store }: Registry, checkups: readonly Checkup[]): readonly string[] {
  // An engine's checks look at rights and clock in their own words; its holders are on other machines, and it clears up by itself.
  if (store.capabilities.timeAuthority === "store") return [];
  const done = new Set(checkups.map(({ check }) => check));
  const left = [...WANTED].filter(([check]) => !done.has(check)).map(([, what]) => what);
  return left.length === 0 ? [] : [`not looked at in this store: ${left.join(", ")}`];
}

function unreadable({ code, message }: NameholdError): FixableFinding {
  return {
    code: `names.${code}`,
    severity: "problem",
    what: message,
    means: "What cannot be listed cannot be relied on: its names may be lost or refused.",
    remedy: "Do what that says, and look again.",
  };
}

function missingFile(location: string): readonly FixableFinding[] {
  const missing = missingRegistry(location);
  if (missing === null) return [];
  const isLink = statsAt(registryPathOf(location) ?? "")?.isSymbolicLink() === true;
  return [
    {
      code: "names.no-registry",
      severity: isLink ? "warning" : "note",
      what: missing,
      means:
        "In a new lab that is as it should be: the first claim makes it. If names were in use here, this is not their registry.",
      remedy: "If this is not the lab's registry: name the right one with -r.",
    },
  ];
}
