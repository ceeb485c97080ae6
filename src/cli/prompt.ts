import { createInterface } from "node:readline";
import { isatty } from "node:tty";
import { NameholdError } from "../core/errors.js";
import { printable } from "./output.js";

/**
 * Refuses where nobody can answer: standard input and standard error are both to be a terminal.
 *
 * @param remedy which options answer instead: "Say --force to …."
 * @throws NameholdError `invalid-input`
 */
export function checkCanAsk(remedy: string): void {
  if (isatty(0) && isatty(2)) return;
  throw new NameholdError("invalid-input", `There is no terminal to ask on. ${remedy}`);
}

/**
 * Asks on standard error; only `y` and `yes` are a yes. Ctrl-C and Ctrl-D are a no.
 *
 * @param otherwise what is so after a no: "Nothing was removed."
 * @throws NameholdError `aborted` after a no
 */
export async function confirm(question: string, otherwise: string): Promise<void> {
  // Listening first: who sees the question may press Ctrl-C at once.
  const answering = readAnswer();
  process.stderr.write(`namehold: ${printable(question)} [y/N] `);
  const answer = await answering;
  // The cursor still stands behind the question.
  if (answer === undefined) process.stderr.write("\n");
  if (/^\s*y(es)?\s*$/i.test(answer ?? "")) return;
  throw new NameholdError("aborted", otherwise);
}

/** The terminal stays as it is, so that nothing that happens meanwhile leaves it in a mode of ours. */
function readAnswer(): Promise<string | undefined> {
  const lines = createInterface({ input: process.stdin, terminal: false });
  return new Promise((resolve) => {
    const settle = (answer: string | undefined): void => {
      process.off("SIGINT", interrupt);
      resolve(answer);
      lines.close();
    };
    const interrupt = (): void => settle(undefined);
    process.once("SIGINT", interrupt);
    lines.once("line", settle);
    lines.once("close", () => settle(undefined));
  });
}
