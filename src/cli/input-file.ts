import { createReadStream } from "node:fs";
import { NameholdError } from "../core/errors.js";
import { errnoOf, storageError } from "../platform/storage-error.js";

/** For standard input, as other programs name it. */
export const STDIN = "-";

/** No registry is larger. */
const BYTES_MAX = 256 * 2 ** 20;

/**
 * All text of a file, a pipe, or standard input.
 *
 * @throws NameholdError `not-found`; `invalid-input` for a directory, what is no UTF-8, or more than 256 MiB; else as
 *   {@link storageError}
 */
export async function readInput(file: string): Promise<string> {
  const stream = file === STDIN ? process.stdin : createReadStream(file);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > BYTES_MAX) throw new NameholdError("invalid-input", `${nameOf(file)} is larger than 256 MiB.`);
      chunks.push(chunk);
    }
  } catch (failure) {
    throw readFailure(file, failure);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
  } catch (cause) {
    throw new NameholdError("invalid-input", `${nameOf(file)} is no text in UTF-8.`, { cause });
  }
}

function readFailure(file: string, failure: unknown): NameholdError {
  switch (errnoOf(failure)) {
    case "ENOENT":
    case "ENOTDIR":
      return new NameholdError("not-found", `There is no file ${file}.`, { cause: failure });
    case "EISDIR":
      return new NameholdError("invalid-input", `${nameOf(file)} is a directory. Name a file in it.`, {
        cause: failure,
      });
    default:
      return storageError(failure, `Cannot read ${nameOf(file)}`);
  }
}

function nameOf(file: string): string {
  return file === STDIN ? "Standard input" : file;
}
