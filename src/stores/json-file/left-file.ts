/**
 * The registry as the last turn has left it, where locks have come or gone since the last good copy was written:
 * `PATH.holders/left.json`. Names, IDs and all else but locks must outlive the loss of the file and of power, and are in
 * the copy, on the disk. Locks change far more often, and end with the power that their holders run on: they are kept
 * here, written over in place and not synced. What is torn, of an earlier start of the machine, or beside another copy
 * counts as nothing; then the copy tells what it knows.
 *
 * @see docs/adr/0009-damage.md
 */
import { createHash, randomUUID } from "node:crypto";
import { readFileOrAbsent } from "../../platform/atomic-file.js";
import { RewrittenFile } from "../../platform/rewritten-file.js";

/** What a text is kept for: it is void beside any other. */
export interface LeftBeside {
  readonly bootId: string;
  /** Of the last good copy: see {@link markOf}. */
  readonly copyMark: string;
}

/** Tells one text from another. */
export function markOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("base64");
}

/** @returns undefined when there is none that is whole, of this boot and beside this copy */
export function readLeft(path: string, beside: LeftBeside): Buffer | undefined {
  const bytes = readFileOrAbsent(path);
  if (bytes === undefined || beside.bootId === "") return undefined;
  const [, length = "", nonce = ""] = HEAD.exec(bytes.toString("latin1", 0, HEAD_BYTES)) ?? [];
  const end = HEAD_BYTES + Number(length);
  const isWhole = nonce !== "" && bytes.toString("latin1", end, end + nonce.length) === nonce;
  if (!isWhole || !bytes.subarray(0, HEAD_BYTES).equals(head(Number(length), nonce, beside))) return undefined;
  return bytes.subarray(HEAD_BYTES, end);
}

/**
 * Keeps the text after `write` has returned. The room for it is made before.
 *
 * @throws what `write` throws, and NameholdError where there is no room, or no right to write; then `write` was not called
 */
export function keepLeft(path: string, text: Uint8Array, beside: LeftBeside, write: () => void): void {
  const file = RewrittenFile.open(path, HEAD_BYTES + text.length + NONCE_BYTES);
  try {
    write();
    keep(file, text, beside);
  } finally {
    file.close();
  }
}

/** The registry is written: nothing may fail any more for what is only remembered of it. */
function keep(file: RewrittenFile, text: Uint8Array, beside: LeftBeside): void {
  try {
    const nonce = randomUUID();
    file.write([head(text.length, nonce, beside), text, Buffer.from(nonce, "latin1")]);
  } catch {
    // Half of it can be told; but what it was before must not stand for what is now.
    discard(file);
  }
}

function discard(file: RewrittenFile): void {
  try {
    file.empty();
  } catch {
    // Then the next turn takes what this one has ended for ended by somebody else, and records it twice.
  }
}

/** Always as long, so that the text stands in its place. */
const HEAD_BYTES = 256;
const NONCE_BYTES = 36;
const HEAD = /"length":(\d+),"nonce":"([0-9a-f-]{36})"/;

/** What is new with each writing stands at both ends: a writer that was killed has not come to the second. */
function head(length: number, nonce: string, { bootId, copyMark }: LeftBeside): Buffer {
  const content = { version: 1, bootId, copyMark, length, nonce };
  return Buffer.from(`${JSON.stringify(content).padEnd(HEAD_BYTES - 1)}\n`, "latin1");
}
