import { constants } from "node:fs";

const known: Readonly<Record<string, number>> = constants;

/** Not to follow a symbolic link. Zero, as the others, where there is no such flag. */
export const NO_FOLLOW = known["O_NOFOLLOW"] ?? 0;
/** Not to wait for the other end of a FIFO. */
export const NON_BLOCKING = known["O_NONBLOCK"] ?? 0;
/** To open a directory and nothing else. */
export const DIRECTORY_ONLY = known["O_DIRECTORY"] ?? 0;
