import { hostname } from "node:os";
import { monotonicFactory } from "ulid";

/** This machine's name, as Python's `socket.gethostname()` tells it. Not unique: containers share it. */
export function hostName(): string {
  return hostname();
}

/** A new ULID: sorts after all earlier ones of this thread, 80 bits of the system's randomness. */
export function newUlid(): string {
  return nextUlid();
}

/** ULIDs as namehold and the reference write them. */
export function isUlid(text: string): boolean {
  return ULID.test(text);
}

const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const nextUlid = monotonicFactory();
