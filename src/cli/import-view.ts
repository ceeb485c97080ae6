/** How an import is shown, before and after. */
import type { HeldBy } from "../core/errors.js";
import type { ImportChange } from "../registry/import-plan.js";
import type { ImportReport } from "../registry/transfer.js";
import { backupLines } from "./backup-view.js";
import { displayName, printable } from "./output.js";

/** A line for each name that changes, or that has another ID in the file. */
export function importChanges({ changes }: ImportReport, file: string): string {
  const from = file === "-" ? "standard input" : file;
  const lines = changes.filter((change) => change.kind !== "kept" || hasOtherId(change)).map(changeLine);
  return [`From ${printable(from)}:`, ...lines].join("\n");
}

/** How many names there are of each kind. */
export function importCounts({ added, replaced, removed, kept, changes }: ImportReport): string {
  const differing = changes.filter(({ kind, differences }) => kind === "kept" && differences.length > 0).length;
  const note = differing === 0 ? "" : ` (${differing} of them not as in the file)`;
  return `${added.length} added, ${replaced.length} replaced, ${removed.length} removed, ${kept.length} kept${note}`;
}

/** What an import has done, or would do. */
export function importResult(report: ImportReport, dryRun: boolean): readonly string[] {
  const counts = `${dryRun ? "It would be" : "Imported:"} ${importCounts(report)}`;
  if (report.backup === null) return [counts];
  return [counts, ...backupLines(report.backup)];
}

export function importJson(report: ImportReport, dryRun: boolean): object {
  const { added, replaced, removed, kept, changes, backup, refusal } = report;
  return {
    dry_run: dryRun,
    added,
    replaced,
    removed,
    kept,
    changes: changes.map(({ name, kind, idBefore, idInData, differences, heldBy }) => ({
      name,
      change: kind,
      id_before: idBefore,
      id_in_file: idInData,
      differences,
      held_by: heldBy,
    })),
    backup,
    refused: refusal === null ? null : { code: refusal.code, message: refusal.message },
  };
}

const VERBS: Readonly<Record<ImportChange["kind"], string>> = {
  added: "add",
  replaced: "replace",
  removed: "remove",
  kept: "keep",
};

function changeLine({ name, kind, idBefore, idInData, differences, heldBy }: ImportChange): string {
  const line = `  ${VERBS[kind].padEnd(7)}  ${displayName(name)}`;
  switch (kind) {
    case "added":
      return `${line}  ${idText(idInData)}`;
    case "removed":
      return `${line}  ${idText(idBefore)}${holderNote(heldBy)}`;
    case "kept":
      return `${line}  ${idText(idBefore)} (its ID is ${idText(idInData)} in the file)`;
    case "replaced": {
      const id = idBefore === idInData ? idText(idBefore) : `${idText(idBefore)} becomes ${idText(idInData)}`;
      const others = differences.filter((member) => member !== "id").map((member) => printable(member));
      return `${line}  ${id}${others.length === 0 ? "" : `, other ${others.join(", ")}`}${holderNote(heldBy)}`;
    }
    default:
      return kind satisfies never;
  }
}

function hasOtherId({ idBefore, idInData }: ImportChange): boolean {
  return idBefore !== idInData;
}

/** Not every ID of a foreign file is a ULID. */
function idText(id: string | null): string {
  return printable(id ?? "");
}

function holderNote(heldBy: HeldBy | null): string {
  return heldBy === null ? "" : `, held by ${printable(heldBy.host)} (PID ${heldBy.pid})`;
}
