/** A completion as each shell's script reads it. */
import { type BashLine, bashReply, parseBashLine } from "./bash-line.js";
import type { Candidate, Completion } from "./complete.js";

export const SHELLS = ["bash", "zsh", "fish", "powershell"] as const;
export type Shell = (typeof SHELLS)[number];

/** Completes words: those after the program's name. */
export type Completer = (words: readonly string[]) => Completion;

/**
 * What the shell's script asks, answered.
 *
 * @param args bash: COMP_WORDBREAKS and the line up to the cursor; zsh and fish: the words from the program's name on,
 *   without their quotes; powershell: those as a JSON array
 */
export function replyTo(shell: Shell, args: readonly string[], complete: Completer): string {
  switch (shell) {
    case "bash":
      return bashLines(parseBashLine(args[1] ?? "", args[0] ?? ""), complete).join("\n");
    case "zsh":
    case "fish":
      return lines(complete(args.slice(1))).join("\n");
    case "powershell":
      return powershellReply((JSON.parse(args[0] ?? "[]") as readonly string[]).slice(1), complete);
    default:
      return shell satisfies never;
  }
}

/** The kind, then a candidate a line. */
function bashLines(line: BashLine, complete: Completer): readonly string[] {
  if (/^\d*(?:&?>{1,2}|<)$/.test(line.rawWords.at(-1) ?? "")) return ["files"];
  const completion = complete(line.words.slice(1));
  if (completion.kind === "files") return ["files"];
  if (completion.kind === "command") return [`command ${dashesBefore(line, completion.start + 1)}`];
  const replies = completion.candidates.flatMap(({ value }) => bashReply(value, line) ?? []);
  return ["words", ...replies];
}

/** Bash counts words by another division: the script finds the place again by its dashes. */
function dashesBefore({ rawWords }: BashLine, end: number): number {
  return rawWords.slice(0, end).filter((word) => word === "--").length;
}

function lines(completion: Completion): readonly string[] {
  if (completion.kind === "files") return ["files"];
  if (completion.kind === "command") return [`command ${completion.start + 1}`];
  return ["words", ...completion.candidates.map(({ value, description }) => `${value}\t${description}`)];
}

/** ASCII alone: how PowerShell reads a program's output depends on the machine. */
function powershellReply(words: readonly string[], complete: Completer): string {
  const typed = (words.at(-1) ?? "").replace(/^['"]/, "");
  const completion = complete([...words.slice(0, -1), typed]);
  const reply = completion.kind === "words" ? powershellCandidates(completion.candidates, typed) : completion;
  return JSON.stringify(reply).replaceAll(
    /[\u0080-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function powershellCandidates(candidates: readonly Candidate[], typed: string): object {
  const fitting = candidates.filter(({ value }) => value.toLowerCase().startsWith(typed.toLowerCase()));
  return {
    kind: "words",
    candidates: fitting.map(({ value, description }) => ({
      text: /^[\w./\\:=-]+$/.test(value) ? value : `'${value.replaceAll(/['\u2018-\u201b]/g, "$&$&")}'`,
      shown: value,
      tip: description === "" ? value : description,
    })),
  };
}
