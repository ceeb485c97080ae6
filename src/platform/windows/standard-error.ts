import { write } from "node:fs";
import type { HostStandardError } from "../host.js";

/**
 * Another thread writes and waits: a console takes nothing while somebody marks text in it, and no question tells
 * reliably whether a pipe has room (a reader that waits counts as none).
 */
export function patientStandardError(): HostStandardError {
  let waiting = "";
  let isWriting = false;
  const next = (): void => {
    const text = waiting;
    waiting = "";
    isWriting = text !== "";
    // There is nobody to tell that it failed.
    if (isWriting) write(STDERR, text, () => next());
  };
  return {
    write: (text) => {
      if (waiting.length <= WAITING_CHARACTERS_MAX) waiting += text;
      if (!isWriting) next();
    },
  };
}

const STDERR = 2;
const WAITING_CHARACTERS_MAX = 65_536;
