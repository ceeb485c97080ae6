import { isatty } from "node:tty";
import pc from "picocolors";
import { FAILURES } from "../core/errors.js";
import { printable, printableJson } from "../core/printable.js";
import { writeMessage } from "../platform/message-writer.js";

export { printable };

/** Colour on a terminal only, whatever CI or pipe it is. */
export const colour = pc.createColors(
  isatty(1) && process.env["NO_COLOR"] === undefined && process.env["TERM"] !== "dumb",
);

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function printJson(value: unknown): void {
  print(jsonText(value));
}

/** As `print`; where the output is lost, for want of a reader too, `gist` is told: what must be known all the same. */
export function printOrTell(text: string, gist: string): void {
  // Called before the stream's error ends the process.
  process.stdout.write(`${text}\n`, (error) => {
    if (error != null) tellWithoutWaiting(gist);
  });
}

/** As `printJson` prints it. */
export function jsonText(value: unknown): string {
  return printableJson(JSON.stringify(value, null, 2));
}

/** One value, one line, steering no terminal. */
export function jsonLine(value: unknown): string {
  return `${printableJson(JSON.stringify(value))}\n`;
}

let messagesAreJson = false;

/** From here on, what is told is one JSON object a line: `{"warning": …}`. */
export function tellInJson(): void {
  messagesAreJson = true;
}

export function tellsInJson(): boolean {
  return messagesAreJson;
}

/** A sentence for the person at the terminal, beside the output. */
export function tell(text: string): void {
  process.stderr.write(messageLine(text));
}

/** As `tell`, for a process on whose next step lives depend: it neither waits for a reader nor fails. */
export function tellWithoutWaiting(text: string): void {
  writeMessage(messageLine(text));
}

function messageLine(text: string): string {
  return messagesAreJson ? jsonLine({ warning: text }) : `namehold: ${printable(text)}\n`;
}

/** A name where it stands alone: as it is when that is unmistakable, else quoted. */
export function displayName(name: string): string {
  return /^[^\s"\p{C}]+(?: [^\s"\p{C}]+)*$/u.test(name) ? name : printable(JSON.stringify(name));
}

export function displayTime(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}

export function displayDuration(ms: number): string {
  return ms < 10_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.round(ms / 1_000)} s`;
}

/**
 * Ends quietly when nobody reads the output any more (`namehold list | head -1`). When nobody reads the messages, the
 * work goes on: a held name must not depend on a log's reader.
 */
export function surviveLostOutput(): void {
  process.stdout.on("error", endForLostOutput);
  process.stderr.on("error", () => {});
}

/** Ends the process when all output is written. Output that was lost, but for want of a reader, is a failure. */
export function endWhenWritten(): void {
  // At once: nothing that is left over, a call into the C library for example, may keep the process.
  process.stdout.write("", (error) => (error == null ? process.exit() : endForLostOutput(error)));
}

function endForLostOutput(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") process.exit();
  const code = "storage-failed";
  const message = `The output could not be written: ${error.message}.`;
  writeMessage(messagesAreJson ? jsonLine({ error: { code, message } }) : `namehold: ${printable(message)}\n`);
  process.exit(FAILURES[code].exitStatus);
}
