import { NameholdError } from "./errors.js";
import { printable } from "./printable.js";

/** The longest name that can be claimed, in UTF-16 code units. Any string up to it is a name, the empty one included. */
export const NAME_LENGTH_MAX = 1024;

/** @throws NameholdError `invalid-input` */
export function checkName(name: unknown): asserts name is string {
  if (typeof name !== "string") {
    throw new NameholdError("invalid-input", `A name must be a string, not ${typeof name}.`);
  }
  if (name.length > NAME_LENGTH_MAX) {
    throw new NameholdError(
      "invalid-input",
      `The name ${quoteName(`${name.slice(0, 32)}…`)} is ${name.length} characters long; at most ${NAME_LENGTH_MAX} are allowed.`,
    );
  }
}

/** A name for messages: quoted and printable, so that it can neither forge a line of a log nor steer a terminal. */
export function quoteName(name: string): string {
  return printable(JSON.stringify(name));
}
