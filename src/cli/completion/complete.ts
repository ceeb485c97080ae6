/** What may come next on a command line. One logic for all shells, over what commander knows of the commands. */
import type { Argument, Command, Option } from "commander";

export interface Candidate {
  readonly value: string;
  /** Empty when there is nothing to say. */
  readonly description: string;
}

export type Completion =
  /** All that fits the place, whatever has been typed of it. */
  | { readonly kind: "words"; readonly candidates: readonly Candidate[] }
  | { readonly kind: "files" }
  /** The words from `start` on are a command line of their own. */
  | { readonly kind: "command"; readonly start: number };

/** The names in the registry that the command line means; none where it cannot be read. */
export type NamesOf = (registryPath: string | undefined) => readonly Candidate[];

/** What arguments and option values are is told by what their commands call them. */
const NAMES: ReadonlySet<string> = new Set(["name", "names", "name-or-id", "old"]);
const FILES: ReadonlySet<string> = new Set(["path", "file", "directory", "from", "to"]);
const COMMAND_LINE = "command";
const NOTHING: Completion = { kind: "words", candidates: [] };

/** @param words those after the program's name; the last is being typed, and may be empty */
export function complete(program: Command, words: readonly string[], namesOf: NamesOf): Completion {
  const line = new LineSoFar(program);
  for (const [index, word] of words.slice(0, -1).entries()) {
    line.take(word);
    if (line.isAtCommandLine) return { kind: "command", start: index + 1 };
  }
  return new Place(line, words.at(-1) ?? "", namesOf).completion();
}

/** The words before the one that is being typed, as commander will read them. */
class LineSoFar {
  command: Command;
  /** The option whose value comes next. */
  pending: Option | undefined;
  isBehindDashes = false;
  positionals = 0;
  registryPath: string | undefined;
  isUnderstood = true;
  /** The dashes behind which another command line begins were there. */
  isAtCommandLine = false;
  readonly given = new Set<Option>();

  constructor(program: Command) {
    this.command = program;
  }

  get argument(): Argument | undefined {
    const known = this.command.registeredArguments;
    const last = known.at(-1);
    return known[this.positionals] ?? (last?.variadic === true ? last : undefined);
  }

  get awaitsCommandLine(): boolean {
    return this.argument?.name() === COMMAND_LINE;
  }

  get options(): readonly Option[] {
    const own = this.command.options;
    return this.command.parent === null ? own : [...own, ...this.command.parent.options];
  }

  take(word: string): void {
    if (this.pending !== undefined) this.#takeValue(this.pending, word);
    else if (word === "--" && this.awaitsCommandLine) this.isAtCommandLine = true;
    else if (word === "--" && !this.isBehindDashes) this.isBehindDashes = true;
    else if (!this.isBehindDashes && /^-./.test(word)) this.#takeOption(word);
    else if (this.command.parent === null) this.#takeCommand(word);
    else this.positionals++;
  }

  #takeOption(word: string): void {
    const [, flag = "", value] = /^(--[^=]*|-.)=?(.+)?$/s.exec(word) ?? [];
    const option = this.options.find((it) => it.long === flag || it.short === flag);
    if (option === undefined) return;
    this.given.add(option);
    if (!option.required) return;
    this.pending = option;
    if (value !== undefined) this.#takeValue(option, value);
  }

  #takeValue(option: Option, value: string): void {
    this.pending = undefined;
    if (option.attributeName() === "registryPath") this.registryPath = value;
  }

  #takeCommand(word: string): void {
    const found = this.command.commands.find((it) => it.name() === word);
    if (found === undefined) this.isUnderstood = false;
    else this.command = found;
  }
}

/** The place of the word that is being typed. */
class Place {
  readonly #line: LineSoFar;
  readonly #current: string;
  readonly #namesOf: NamesOf;

  constructor(line: LineSoFar, current: string, namesOf: NamesOf) {
    this.#line = line;
    this.#current = current;
    this.#namesOf = namesOf;
  }

  completion(): Completion {
    const { pending, isBehindDashes, isUnderstood, command, argument } = this.#line;
    if (!isUnderstood) return NOTHING;
    if (pending !== undefined) return this.#valueOf(pending);
    if (!isBehindDashes && this.#current.startsWith("-")) return this.#option();
    if (command.parent === null) return this.#command();
    return argument === undefined ? NOTHING : this.#argument(argument);
  }

  #command(): Completion {
    const visible = this.#line.command.createHelp().visibleCommands(this.#line.command);
    return oneOf(visible.map((it) => ({ value: it.name(), description: it.summary() })));
  }

  #option(): Completion {
    const [, flag] = /^(--[^=]+)=/.exec(this.#current) ?? [];
    if (flag !== undefined) return this.#valueInWord(flag);
    const { options, given } = this.#line;
    const left = options.filter((it) => !it.hidden && (!given.has(it) || it.variadic));
    return oneOf([
      ...left.map((it) => ({ value: it.long ?? it.short ?? "", description: firstClause(it.description) })),
      { value: "--help", description: "print this help" },
      ...this.#dashes(),
    ]);
  }

  /** `--option=value` */
  #valueInWord(flag: string): Completion {
    const option = this.#line.options.find((it) => it.long === flag);
    if (option?.required !== true) return NOTHING;
    const found = this.#valueOf(option);
    if (found.kind !== "words") return found;
    return oneOf(found.candidates.map((it) => ({ ...it, value: `${flag}=${it.value}` })));
  }

  #valueOf(option: Option): Completion {
    const [, name = ""] = /[<[]([\w-]+)/.exec(option.flags) ?? [];
    return this.#thing(name, option.argChoices);
  }

  #argument(argument: Argument): Completion {
    if (this.#line.awaitsCommandLine) return oneOf(this.#dashes());
    const found = this.#thing(argument.name(), argument.argChoices);
    if (found.kind !== "words" || this.#line.isBehindDashes) return found;
    // Without dashes before it, it would be taken for an option.
    return oneOf(found.candidates.filter(({ value }) => !value.startsWith("-")));
  }

  #thing(name: string, choices: readonly string[] | undefined): Completion {
    if (choices !== undefined) return oneOf(choices.map((value) => ({ value, description: "" })));
    if (FILES.has(name)) return { kind: "files" };
    return NAMES.has(name) ? oneOf(this.#namesOf(this.#line.registryPath)) : NOTHING;
  }

  #dashes(): readonly Candidate[] {
    return this.#line.awaitsCommandLine ? [{ value: "--", description: "the command comes next" }] : [];
  }
}

function oneOf(candidates: readonly Candidate[]): Completion {
  return { kind: "words", candidates };
}

function firstClause(text: string): string {
  return /^[^(:;]*[^(:;\s]/.exec(text)?.[0] ?? "";
}
