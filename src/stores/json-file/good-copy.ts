import { join } from "node:path";
import { isNameholdError } from "../../core/errors.js";
import { RegistryDocument } from "../../core/text/registry-document.js";
import { readFileOrAbsent, replaceFile } from "../../platform/atomic-file.js";
import { bootId } from "../../platform/clock.js";
import { Cached } from "./cached.js";
import { type Copy, readCopy } from "./damage.js";
import { stampOf } from "./file-stamp.js";
import { keepLeft, type LeftBeside, markOf, readLeft } from "./left-file.js";

/** What a turn leaves in the registry file. */
export interface Written {
  readonly document: RegistryDocument;
  readonly bytes: Buffer;
}

/**
 * What is known of the registry when its file is lost: the last good copy, on the disk, and beside it the locks that have
 * come and gone since.
 */
export class GoodCopy {
  readonly path: string;
  readonly leftPath: string;
  readonly #copy = new Cached<Copy>();
  readonly #left = new Cached<RegistryDocument>();
  /** As which file the copy was read. */
  #stamp: string | undefined;
  /** What tells its text from others, once it is wanted. */
  #mark: string | undefined;

  constructor(holdersDirectory: string) {
    this.path = join(holdersDirectory, "last-good.json");
    this.leftPath = join(holdersDirectory, "left.json");
  }

  /** Of the file that is the copy now. */
  stamp(): string | undefined {
    return stampOf(this.path);
  }

  /** @param stamp of the file that is the copy now */
  read(stamp: string | undefined = this.stamp()): Copy {
    if (stamp !== undefined && stamp === this.#stamp) {
      const known = this.#copy.peek(this.#copy.bytes);
      if (known !== undefined) return known;
    }
    const bytes = readFileOrAbsent(this.path);
    const copy = this.#copy.peek(bytes) ?? readCopy(bytes);
    this.#keep(bytes, copy, stamp);
    return copy;
  }

  /** The same with the locks that the last turn has left. */
  readWithLocks(): Copy {
    const copy = this.read();
    const bytes = copy.kind === "good" ? readLeft(this.leftPath, this.#beside()) : undefined;
    return bytes === undefined ? copy : readCopy(bytes);
  }

  /**
   * The registry as the last turn of any process has left it, but for the times of heartbeats.
   *
   * @param found what is in the file now
   * @returns the document that was found, when nobody has written since; undefined without a good copy
   */
  asLeft(found: Written): RegistryDocument | undefined {
    const copy = this.read();
    if (copy.kind !== "good") return undefined;
    const bytes = readLeft(this.leftPath, this.#beside());
    if (bytes === undefined) return copy.document;
    if (bytes.equals(found.bytes)) return found.document;
    return this.#left.value(bytes, () => RegistryDocument.parse(bytes.toString("utf8")));
  }

  /**
   * The copy is written before `write` is called and takes its place after it, so that a disk that fills up in between
   * leaves both as they were.
   */
  refresh({ document, bytes }: Written, write: () => void): void {
    replaceFile(this.path, bytes, { durable: true, keepLink: false, beforeRename: write });
    this.#keep(bytes, { kind: "good", document }, this.stamp());
  }

  /** For a change of nothing but locks. Where they cannot be kept apart, the copy is refreshed. */
  keepLocks(written: Written, write: () => void): void {
    let isTried = false;
    try {
      keepLeft(this.leftPath, written.bytes, this.#beside(), () => {
        isTried = true;
        write();
      });
    } catch (error) {
      if (isTried || !isNameholdError(error)) throw error;
      this.refresh(written, write);
    }
  }

  #keep(bytes: Buffer | undefined, copy: Copy, stamp: string | undefined): void {
    this.#copy.keep(bytes, copy);
    this.#stamp = stamp;
    this.#mark = undefined;
  }

  #beside(): LeftBeside {
    this.#mark ??= markOf(this.#copy.bytes ?? Buffer.alloc(0));
    return { bootId: bootId(), copyMark: this.#mark };
  }
}
