import type { Check, FixableFinding } from "../../core/finding.js";
import { quoteName } from "../../core/name.js";
import { entryIdOf } from "../../core/text/entry-id.js";
import { entriesIn, type LabSurroundings, otherRegistries } from "./lab-files.js";

/** Whether other registries are in sight, and whether they know the same names. */
export const otherRegistriesCheck: Check<LabSurroundings> = {
  check: "registries",
  title: "Other registries",
  examine: (surroundings) => {
    const { registryPath } = surroundings;
    const own = registryPath === undefined ? undefined : entriesIn(registryPath);
    const others = otherRegistries(surroundings);
    return {
      looked: others.length === 0 ? "none in sight" : others.join(", "),
      findings: others.map((path) => compare(path, own ?? new Map())),
    };
  },
};

const SHOWN_MAX = 5;

function compare(path: string, own: ReadonlyMap<string, string>): FixableFinding {
  const theirs = entriesIn(path) ?? new Map<string, string>();
  const shared = [...own.keys()].filter((name) => theirs.has(name));
  if (shared.length === 0) return merelyThere(path);
  const split = shared.filter((name) => entryIdOf(own.get(name) ?? "") !== entryIdOf(theirs.get(name) ?? ""));
  const names = split.length > 0 ? split : shared;
  const shown = names.slice(0, SHOWN_MAX).map(quoteName).join(", ");
  const more = names.length > SHOWN_MAX ? ` and ${names.length - SHOWN_MAX} more` : "";
  return {
    code: split.length > 0 ? "registries.split-identity" : "registries.same-names",
    severity: "warning",
    what: `${path} knows names of this registry too${split.length > 0 ? ", with other IDs" : ""}: ${shown}${more}.`,
    means: `A component that finds that one ${split.length > 0 ? "has another identity, and " : ""}is not kept apart from one that finds this: both can act at once.`,
    remedy: "Have all components use one registry (MADSCI_REGISTRY_PATH), and move the other away when nobody uses it.",
  };
}

function merelyThere(path: string): FixableFinding {
  return {
    code: "registries.other",
    severity: "note",
    what: `There is another registry in sight: ${path}.`,
    means: "A component that is started near it uses that one. They have no name in common.",
    remedy: "None is needed, unless the components of both are one lab's.",
  };
}
