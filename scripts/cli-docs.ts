import { readFileSync, writeFileSync } from "node:fs";
import type { Command, Help } from "commander";

/** Fails when docs/cli.md is not what the commands say of themselves. With --write it makes the page anew first. Run it on a fresh build. */
const PAGE = "docs/cli.md";

const dist = (file: string): string => new URL(`../dist/cli/${file}`, import.meta.url).href;
const { buildProgram } = (await import(dist("app.js"))) as typeof import("../src/cli/app.ts");
const { documentationOf } = (await import(
  dist("command-definition.js")
)) as typeof import("../src/cli/command-definition.ts");
const { exitStatuses } = (await import(dist("exit-codes.js"))) as typeof import("../src/cli/exit-codes.ts");

type Row = readonly [term: string, meaning: string];

const text = page(buildProgram([]));
if (process.argv.includes("--write")) writeFileSync(PAGE, text);
if (readFileSync(PAGE, "utf8") === text) {
  console.log(`${PAGE}: as the commands say`);
} else {
  console.error(`${PAGE} is not what the commands say. node scripts/cli-docs.ts --write makes it anew.`);
  process.exitCode = 1;
}

function page(program: Command): string {
  const help = program.createHelp();
  const commands = help.visibleCommands(program);
  const parts = [
    "# The command line",
    "<!-- Made from the commands by `node scripts/cli-docs.ts --write`; not to be edited. -->",
    program.description(),
    fence([help.commandUsage(program)]),
    table(
      ["command", ""],
      commands.map((command) => [`[${command.name()}](#namehold-${command.name()})`, command.summary()]),
    ),
    "Options that every command takes, before or after its name:",
    options(program, help),
    ...details(program),
    ...commands.flatMap((command) => section(command, help)),
  ];
  return `${parts.join("\n\n")}\n`;
}

function section(command: Command, help: Help): readonly string[] {
  const args: readonly Row[] = command.registeredArguments.map((it) => [
    code(help.argumentTerm(it)),
    help.argumentDescription(it),
  ]);
  const hasOptions = help.visibleOptions(command).some(isOwn);
  return [
    `## namehold ${command.name()}`,
    ...command.description().split("\n\n").map(paragraph),
    fence([help.commandUsage(command)]),
    ...(args.length === 0 ? [] : [table(["argument", ""], args)]),
    ...(hasOptions ? [options(command, help)] : []),
    ...details(command),
  ];
}

/** Prose is one line, as long as it is; lines of their own are code. */
function paragraph(text: string): string {
  return text.includes("\n") ? fence(text.split("\n")) : escaped(text);
}

function options(command: Command, help: Help): string {
  const own = help.visibleOptions(command).filter((option) => command.parent === null || isOwn(option));
  return table(
    ["option", ""],
    own.map((option) => [code(help.optionTerm(option)), help.optionDescription(option)]),
  );
}

/** Every command has --help: it is told of once. */
function isOwn(option: { readonly long?: string | null | undefined }): boolean {
  return option.long !== "--help";
}

function details(command: Command): readonly string[] {
  const documentation = documentationOf(command);
  if (documentation === undefined)
    throw new Error(`${command.name()} is not documented: define it with defineCommand.`);
  const { examples, environment = [], failures, otherStatuses } = documentation;
  const statuses = exitStatuses(failures, otherStatuses);
  return [
    fence(examples),
    ...(environment.length === 0 ? [] : [table(["variable", ""], withCodeTerms(environment))]),
    table(["exit status", ""], statuses),
  ];
}

function withCodeTerms(rows: readonly Row[]): readonly Row[] {
  return rows.map(([term, meaning]) => [code(term), meaning]);
}

function table(heads: Row, rows: readonly Row[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(heads), line(["---", "---"]), ...rows.map(([term, meaning]) => line([term, escaped(meaning)]))].join(
    "\n",
  );
}

function fence(lines: readonly string[]): string {
  return ["```sh", ...lines, "```"].join("\n");
}

function code(term: string): string {
  return `\`${term}\``;
}

function escaped(text: string): string {
  return text.replaceAll(/[|<*]/g, "\\$&");
}
