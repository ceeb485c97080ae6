import type { Command } from "commander";
import { RegistryError } from "../../core/errors.js";
import type { Registry } from "../../registry/registry.js";
import { missingRegistry } from "../../registry/registry-place.js";
import { defineCommand, type GlobalOptions, withRegistry } from "../command-definition.js";
import { print, printable, printJson } from "../output.js";
import { checkOutputFile, writeOutputFile } from "../output-file.js";
import { withProgress } from "../progress.js";

interface ExportOptions extends GlobalOptions {
  readonly output?: string;
}

/** For standard output, as other programs name it. */
const STDOUT = "-";

export function addExportCommand(program: Command): void {
  defineCommand(program, {
    usage: "export",
    summary: "write all entries as JSON",
    description:
      "Write all entries to the letter as JSON, without locks, for namehold import and for MADSci. Of the registry file itself (when it was made, members that namehold does not know) nothing is in it. A registry that is missing, busy or damaged is a failure, and nothing is written then.",
    examples: ["namehold export", "namehold export --output names.json"],
    failures: ["not-found"],
  })
    .option("-o, --output <file>", "the file to write, which is replaced as a whole or left as it is", STDOUT)
    .action((_options: unknown, command: Command) => exportRegistry(command.optsWithGlobals<ExportOptions>()));
}

async function exportRegistry({ output = STDOUT, ...options }: ExportOptions): Promise<void> {
  const { text, names } = await withRegistry(options, async (registry) => {
    if (output !== STDOUT) checkOutputFile(output, registry.location);
    return readOut(registry);
  });
  if (output === STDOUT) {
    print(text);
    return;
  }
  writeOutputFile(output, `${text}\n`);
  if (options.json === true) printJson({ output, names });
  else print(`Exported ${names === 1 ? "1 name" : `${names} names`} to ${printable(output)}`);
}

async function readOut(registry: Registry): Promise<{ readonly text: string; readonly names: number }> {
  let names = 0;
  const text = await withProgress("Reading", (onProgress) =>
    registry.exportText({
      onProgress: (entries) => {
        names = entries;
        onProgress(entries);
      },
    }),
  );
  refuseMissing(registry);
  return { text, names };
}

/** That there is no registry is most often a wrong path; a file without names would look like a good backup. */
function refuseMissing({ location }: Registry): void {
  const missing = missingRegistry(location);
  if (missing === null) return;
  const remedy = "Name another with -r, or make one: namehold init.";
  throw new RegistryError("not-found", `${missing} Nothing was exported. ${remedy}`);
}
