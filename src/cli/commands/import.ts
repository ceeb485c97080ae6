import { type Command, Option } from "commander";
import { isNameholdError, NameholdError } from "../../core/errors.js";
import type { Registry } from "../../registry/registry.js";
import type { ImportOptions, ImportReport } from "../../registry/transfer.js";
import { defineCommand, type GlobalOptions, UsageError, withRegistry } from "../command-definition.js";
import { importChanges, importCounts, importJson, importResult } from "../import-view.js";
import { readInput, STDIN } from "../input-file.js";
import { jsonText, print, printOrTell } from "../output.js";
import { withProgress } from "../progress.js";
import { checkCanAsk, confirm } from "../prompt.js";

interface ImportCommandOptions extends GlobalOptions {
  readonly merge?: boolean;
  readonly replace?: boolean;
  readonly force?: boolean;
  readonly revokeHeld?: boolean;
  readonly dryRun?: boolean;
}

export function addImportCommand(program: Command): void {
  defineCommand(program, {
    usage: "import <file>",
    summary: "take names with their IDs in from an export or a backup",
    description:
      "Take names with their IDs in from a file of namehold export or of MADSci, or from a backup, without the locks in it. What would change is shown first. Names that exist stay as they are, with --replace the registry becomes what the file is; as it was before, it is kept in another file, or in the database that it is in, when IDs go away or change.",
    argumentTexts: { file: "the file, or - for standard input" },
    examples: [
      "namehold export | namehold import --dry-run -",
      "namehold export -o names.json && namehold import --force names.json",
    ],
    failures: ["not-found", "already-exists", "held", "aborted"],
  })
    .option("--merge", "add names that are new, and keep those that exist (the default)")
    .addOption(
      new Option("--replace", "make the registry what the file is: change and remove names, too").conflicts("merge"),
    )
    .option("-f, --force", "import without asking; names that are held are refused all the same")
    .option(
      "--revoke-held",
      "with --replace: change and remove names that are held, too. Their holders are told to stop; a Python process cannot be told, so stop it before",
    )
    .option("--dry-run", "only show what would change")
    .action((file: string, _options: unknown, command: Command) => importFile(file, command));
}

async function importFile(file: string, command: Command): Promise<void> {
  const options = command.optsWithGlobals<ImportCommandOptions>();
  const { dryRun = false, force = false, revokeHeld = false, replace = false } = options;
  if (revokeHeld && !replace) throw new UsageError("--revoke-held goes with --replace", command);
  const asks = !dryRun && !force;
  if (asks && file === STDIN) throw stdinCannotAnswer();
  const data = await readInput(file);
  if (asks) checkCanAsk(ANSWERING_OPTIONS);
  const request: ImportOptions = { merge: !replace, force: revokeHeld };
  const report = await withRegistry(options, async (registry) => {
    const source: ImportSource = { file, text: data, registry };
    if (asks) return importWhatIsConfirmed(source, request);
    return importEntries(source, { ...request, dryRun });
  });
  const result = importResult(report, dryRun);
  // What was asked about has been shown.
  const lines = asks ? result : [importChanges(report, file), ...result];
  const text = options.json === true ? jsonText(importJson(report, dryRun)) : lines.join("\n");
  if (dryRun) print(text);
  else printOrTell(text, result.join(". "));
  if (dryRun && report.refusal !== null) throw report.refusal;
}

interface ImportSource {
  readonly file: string;
  readonly text: string;
  readonly registry: Registry;
}

/** Does what was shown, or nothing. */
async function importWhatIsConfirmed(source: ImportSource, request: ImportOptions): Promise<ImportReport> {
  const preview = await importEntries(source, { ...request, dryRun: true });
  process.stderr.write(`${importChanges(preview, source.file)}\n${importCounts(preview)}\n`);
  if (preview.refusal !== null) throw preview.refusal;
  if (preview.kept.length === preview.changes.length) return preview;
  await confirm("Import this?", "Nothing was imported.");
  return importEntries(source, { ...request, preview });
}

function importEntries({ registry, text, file }: ImportSource, options: ImportOptions): Promise<ImportReport> {
  return withProgress("Reading", (onProgress) =>
    registry.importEntries(text, { ...options, onProgress }).catch((error: unknown) => {
      throw isNameholdError(error, "invalid-input") ? withFile(error, file) : error;
    }),
  );
}

const ANSWERING_OPTIONS = "Say --force to import without a question, or --dry-run to see what would change.";

function stdinCannotAnswer(): NameholdError {
  const why = "Standard input is what is imported, and cannot answer.";
  return new NameholdError("invalid-input", `${why} ${ANSWERING_OPTIONS}`);
}

function withFile(error: NameholdError, file: string): NameholdError {
  const from = file === STDIN ? "standard input" : file;
  return new NameholdError("invalid-input", `Cannot import from ${from}. ${error.message}`, {
    ...error.details,
    cause: error,
  });
}
