/** Completion in real shells: the keys are typed into a terminal, and the command that results shows its arguments. */
import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe } from "vitest";
import { type Lab, MAIN, until } from "./cli-process.js";
import { testWith } from "./requirements.js";

/** What must be quoted, or would steer a shell, or is divided by it. */
const NAMES = [
  "liquidhandler_1",
  "two words",
  "it's",
  "price$HOME",
  'a"b',
  "back\\slash",
  "wow!wow",
  "lab:arm",
  "moon*star",
  "~home",
  "semi;colon",
  "(paren)",
  "Ärm",
  "-dash",
] as const;

/** What is typed before the tab key, and the name that must be the outcome. */
type Typed = readonly (readonly [string, (typeof NAMES)[number]])[];

const PLAIN: Typed = [
  ["li", "liquidhandler_1"],
  ["two", "two words"],
  ["it", "it's"],
  ["pri", "price$HOME"],
  ["a", 'a"b'],
  ["back", "back\\slash"],
  ["wow", "wow!wow"],
  ["la", "lab:arm"],
  ["lab:", "lab:arm"],
  ["semi", "semi;colon"],
  ["moon", "moon*star"],
  ["Ä", "Ärm"],
  ["-- -d", "-dash"],
];

const IN_QUOTES: Typed = [
  ["two\\ w", "two words"],
  ["'two w", "two words"],
  ['"tw', "two words"],
  ['"it', "it's"],
  ['"pri', "price$HOME"],
  ["'pri", "price$HOME"],
  ["'wow", "wow!wow"],
  ["'lab:", "lab:arm"],
  ["'moon", "moon*star"],
  ["'~", "~home"],
  ["'(", "(paren)"],
];

interface Shell {
  readonly name: string;
  readonly start: string;
  readonly load: string;
  /** Shows the arguments, each in brackets. */
  readonly show: string;
}

const SHOW = `namehold() { printf '<%s>' "$@"; echo; }`;

const SHELLS: readonly Shell[] = [
  { name: "bash", start: "bash --norc --noprofile -i", load: 'eval "$(namehold completion bash)"', show: SHOW },
  {
    name: "zsh",
    start: "zsh -f -i",
    load: "autoload -U compinit; compinit -u -D; source <(namehold completion zsh)",
    show: SHOW,
  },
  {
    name: "fish",
    start: "fish --no-config -i",
    load: "namehold completion fish | source",
    show: "function namehold; printf '<%s>' $argv; echo; end",
  },
];

describe.each(SHELLS)("the tab key in $name", (shell) => {
  const inShell = testWith(shell.name, "script");

  inShell("completes names, quoted as they must be", async ({ lab }) => {
    const terminal = await Terminal.open(furnished(lab), shell);
    for (const [typed, name] of PLAIN) await terminal.type(`resolve ${typed}\t`, `<${name}>`);
  });

  inShell("completes names in quotes that were begun", async ({ lab }) => {
    const terminal = await Terminal.open(furnished(lab), shell);
    for (const [typed, name] of IN_QUOTES) await terminal.type(`resolve ${typed}\t`, `<${name}>`);
  });

  inShell("completes commands, options, their values, files, and the command behind the dashes", async ({ lab }) => {
    const terminal = await Terminal.open(furnished(lab), shell);
    await terminal.type("reso\tli\t", "<resolve><liquidhandler_1>");
    await terminal.type("-r oth\tresolve el\t", "<-r><other.json><resolve><elsewhere>");
    await terminal.type("list --ty\tno\t--js\t", "<list><--type><node><--json>");
    await terminal.type("list --type=mod\t", "<list><--type=module>");
    await terminal.type("run li\t-- lab-to\toth\t", "<run><liquidhandler_1><--><lab-tool><other.json>");
    await terminal.type("rename tw\tnew", "<rename><two words><new>");
  });
});

class Terminal {
  #screen = "";
  readonly #write: (keys: string) => void;

  private constructor(lab: Lab, { start }: Shell) {
    const bin = join(lab.directory, "bin");
    const child = spawn("script", ["-qfec", `stty cols 200 rows 50; exec ${start}`, "/dev/null"], {
      cwd: lab.directory,
      env: {
        PATH: `${bin}:${process.env["PATH"]}`,
        HOME: lab.directory,
        LC_ALL: "C.UTF-8",
        TERM: "xterm",
      },
    });
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.#screen += text;
    });
    child.stdin.on("error", () => {});
    this.#write = (keys) => child.stdin.write(keys);
  }

  static async open(lab: Lab, shell: Shell): Promise<Terminal> {
    const terminal = new Terminal(lab, shell);
    // What is typed before a line editor is there may be lost to it.
    await until("a prompt", () => /[$%#>]/.test(terminal.#screen));
    await terminal.#typeLine(`${shell.load}; ${shell.show}; namehold ready`, "<ready>");
    return terminal;
  }

  /** Types arguments of namehold. What they have become is `expected`. */
  async type(keys: string, expected: string): Promise<void> {
    await this.#typeLine(`namehold ${keys}`, expected);
  }

  async #typeLine(keys: string, expected: string): Promise<void> {
    this.#screen = "";
    this.#write(`${keys}\r`);
    const isThere = (): boolean => this.#screen.includes(`${expected}\r\n`);
    await until(`${expected} after ${JSON.stringify(keys)}`, isThere).catch((error: unknown) => {
      throw new Error(`On the screen was ${JSON.stringify(this.#screen)}`, { cause: error });
    });
  }
}

function furnished(lab: Lab): Lab {
  mkdirSync(dirname(lab.path));
  writeFileSync(lab.path, registryText(NAMES));
  writeFileSync(join(lab.directory, "other.json"), registryText(["elsewhere"]));
  mkdirSync(join(lab.directory, "bin"));
  symlinkSync(MAIN, join(lab.directory, "bin", "namehold"));
  symlinkSync(process.execPath, join(lab.directory, "bin", "node"));
  writeFileSync(join(lab.directory, "bin", "lab-tool"), "");
  chmodSync(join(lab.directory, "bin", "lab-tool"), 0o755);
  return lab;
}

function registryText(names: readonly string[]): string {
  return JSON.stringify({ entries: Object.fromEntries(names.map((name) => [name, { component_type: "node" }])) });
}
