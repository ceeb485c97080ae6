/** Commands on a real pseudo-terminal, made by `script` of bsdutils. */
import { spawn } from "node:child_process";
import { shellWord } from "../../src/core/shell-word.js";
import { CliProcess, type Lab, MAIN } from "./cli-process.js";

export const CTRL_C = "\u0003";
export const CTRL_D = "\u0004";

export class TerminalProcess extends CliProcess {
  /** What a person at the terminal types. */
  type(keys: string): void {
    this.child.stdin?.write(keys);
  }

  /** All that was shown, without the carriage returns that a terminal adds. */
  get shown(): string {
    return this.stdout.replaceAll("\r\n", "\n");
  }

  async answer(keys: string): Promise<void> {
    await this.line(/\[y\/N\] /);
    this.type(keys);
  }
}

/** `namehold` in the lab, on a terminal of so many columns. Ended with the lab. */
export function startOnTerminal(lab: Lab, columns: number, ...args: readonly string[]): TerminalProcess {
  return startShellOnTerminal(lab, columns, [process.execPath, MAIN, ...args].map(shellWord).join(" "));
}

/** @param commandLine for a shell that it replaces, so that its exit status is the terminal's */
export function startShellOnTerminal(lab: Lab, columns: number, commandLine: string): TerminalProcess {
  const child = spawn("script", ["-qefc", `stty cols ${columns} rows 24; exec ${commandLine}`, "/dev/null"], {
    cwd: lab.directory,
    env: { ...process.env, MADSCI_REGISTRY_PATH: lab.path, TERM: "xterm", NO_COLOR: "1", COLUMNS: "" },
    stdio: ["pipe", "pipe", "pipe"],
  });
  return new TerminalProcess(child);
}
