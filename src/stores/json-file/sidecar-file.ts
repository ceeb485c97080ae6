/**
 * The sidecar's file: records, one a line, of which the last whole one counts. A record is added at the end, which costs
 * a fifth of a replacement; when there are too many, the file is replaced by one. A writer that is killed leaves half a
 * line, and the record before it: the registry was not written yet.
 */
import { isNameholdError } from "../../core/errors.js";
import { appendLines } from "../../platform/append-file.js";
import { readFileOrAbsent, replaceFile } from "../../platform/atomic-file.js";
import { statsAt } from "../../platform/file-stats.js";

export interface SidecarWriteOptions {
  /** Whether it is on the disk when this returns. */
  readonly durable: boolean;
  /** Called just before the record is there. What it throws is thrown on, and nothing is written. */
  readonly beforeWrite: () => void;
}

/** The whole file is read at each turn. */
const BYTES_MAX = 64 * 1024;

export class SidecarFile {
  readonly path: string;
  #bytes = 0;

  constructor(path: string) {
    this.path = path;
  }

  /** @returns the record that counts; "" when there is none */
  read(): string {
    const bytes = readFileOrAbsent(this.path);
    this.#bytes = bytes?.length ?? 0;
    return lastRecord(bytes?.toString("utf8") ?? "");
  }

  /** To be called under the file lock, after {@link read}. @throws as `replaceFile` */
  write(record: string, { durable, beforeWrite }: SidecarWriteOptions): void {
    const line = `${record}\n`;
    const hasRoom = this.#bytes > 0 && this.#bytes + line.length <= BYTES_MAX;
    if (!durable && hasRoom && this.#append(line, beforeWrite)) this.#bytes += Buffer.byteLength(line);
    else {
      replaceFile(this.path, line, { durable, keepLink: false, beforeRename: beforeWrite });
      this.#bytes = Buffer.byteLength(line);
    }
  }

  /** @returns false where that cannot be: somebody has put a link in its place, of whatever kind */
  #append(line: string, beforeWrite: () => void): boolean {
    if (statsAt(this.path)?.nlink !== 1) return false;
    beforeWrite();
    try {
      appendLines(this.path, line);
      return true;
    } catch (error) {
      if (!isNameholdError(error)) throw error;
      return false;
    }
  }
}

/** A file of one record may have no line end. */
function lastRecord(text: string): string {
  const end = text.lastIndexOf("\n");
  if (end === -1) return text;
  return text.slice(text.lastIndexOf("\n", end - 1) + 1, end);
}
