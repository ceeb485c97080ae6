import { isatty, type WriteStream } from "node:tty";

/** Where there is a terminal that tells no width. */
const WIDTH = 80;

/**
 * How many cells a line of this output may take: COLUMNS where it is set, else what the terminal says.
 *
 * @returns Infinity where it is no terminal
 */
export function widthOf(stream: Pick<WriteStream, "columns"> & { readonly fd: number }): number {
  if (!isatty(stream.fd)) return Number.POSITIVE_INFINITY;
  const set = Number(process.env["COLUMNS"]);
  if (Number.isInteger(set) && set > 0) return set;
  return stream.columns > 0 ? stream.columns : WIDTH;
}
