/** What `doctor` looks at in an SQLite registry. */
import { NameholdError } from "../../core/errors.js";
import type { Check, Examined, FixableFinding } from "../../core/finding.js";
import { freeSpaceAt, nearestDirectory } from "../../platform/file-stats.js";
import type { RegistryDatabase } from "./database.js";
import { howToRecover } from "./sqlite-error.js";

/** So many of SQLite's complaints are shown. */
const COMPLAINTS_MAX = 5;
const FREE_BYTES_MIN = 64 * 2 ** 20;

/** Whether the database can be opened, is sound in all its pages, and has room to grow. */
export const databaseCheck: Check<RegistryDatabase> = {
  check: "database",
  title: "Database",
  examine: async (database): Promise<Examined> => {
    try {
      const found = await database.read((connection) => connection?.examine(COMPLAINTS_MAX) ?? null);
      if (found === null) return { looked: "none yet", findings: [] };
      const { complaints, names, layout, isReadOnly } = found;
      return {
        looked: names === null ? "damaged" : `${names} ${names === 1 ? "name" : "names"}, layout ${layout}`,
        findings: [
          ...(complaints.length === 0 ? [] : [damaged(database.path, complaints)]),
          ...(isReadOnly ? [readOnly(database.path)] : []),
          ...space(database.path),
        ],
      };
    } catch (error) {
      if (!(error instanceof NameholdError)) throw error;
      return { looked: "cannot be used", findings: [unusable(database.path, error)] };
    }
  },
};

function damaged(path: string, complaints: readonly string[]): FixableFinding {
  return {
    code: "database.damaged",
    severity: "problem",
    what: `The database ${path} is damaged: ${complaints.join("; ")}.`,
    means: "Names whose pages are damaged cannot be read or claimed, and IDs may be lost.",
    remedy: `You can ${howToRecover(path)}.`,
  };
}

function unusable(path: string, { code, message }: NameholdError): FixableFinding {
  return {
    code: `database.${code}`,
    severity: "problem",
    what: message,
    means: "No name of this registry can be read or claimed.",
    remedy: code === "damaged" ? `You can ${howToRecover(path)}.` : "Do what that says, and look again.",
  };
}

function readOnly(path: string): FixableFinding {
  return {
    code: "database.read-only",
    severity: "warning",
    what: `This user may read ${path}, and not write it.`,
    means: "Names can be looked up by this user's processes, and not claimed.",
    remedy: "Give this user access to the directory and the files in it.",
  };
}

function space(path: string): readonly FixableFinding[] {
  const { bytes } = freeSpaceAt(nearestDirectory(path));
  if (bytes >= FREE_BYTES_MIN) return [];
  return [
    {
      code: "database.little-space",
      severity: "warning",
      what: `The disk of ${path} has only ${Math.floor(bytes / 2 ** 20)} MiB left.`,
      means: "When it is full, no name can be claimed, and holders lose theirs at their deadlines.",
      remedy: "Free some space.",
    },
  ];
}
