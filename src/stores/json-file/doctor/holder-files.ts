import { join } from "node:path";
import type { MonotonicMs } from "../../../core/timing.js";
import { namesIn } from "../../../platform/file-stats.js";
import { withPresenceFile } from "../../../platform/presence-file.js";
import { beatAgeMs, type PresenceRecord } from "../../../platform/presence-record.js";
import { isUlid } from "../../../platform/process-identity.js";

/** One presence file, and what the kernel says of its process. */
export type HolderFile =
  | {
      readonly kind: "alive";
      readonly path: string;
      readonly record: PresenceRecord;
      /** How long ago it gave a sign of life; undefined when its clock is another one. */
      readonly beatAgeMs: number | undefined;
    }
  | { readonly kind: "dead"; readonly path: string; readonly record: PresenceRecord }
  /** Nothing is proved by it. */
  | {
      readonly kind: "doubt";
      readonly path: string;
      readonly record: PresenceRecord | undefined;
      readonly why: string;
    };

/** Every presence file of a holders directory; none when there is no such directory. Makes nothing. */
export function readHolders(directory: string, now: MonotonicMs): readonly HolderFile[] {
  return namesIn(directory)
    .filter((name) => isUlid(name) || HASHED.test(name))
    .flatMap((name) => readHolder(join(directory, name), now) ?? []);
}

/** How an instance that is no ULID is named: see `presenceFileName`. */
const HASHED = /^x[0-9a-f]{32}$/;

/** @returns undefined for one that was deleted meanwhile */
function readHolder(path: string, now: MonotonicMs): HolderFile | undefined {
  return withPresenceFile(path, "shared", (file): HolderFile | undefined => {
    if (file.kind === "absent") return undefined;
    if (file.kind === "unusable") return { kind: "doubt", path, record: undefined, why: file.why };
    const { record } = file.content;
    if (file.flaw?.kind === "foreign") return { kind: "doubt", path, record, why: file.flaw.why };
    if (!file.isLocked) return { kind: "alive", path, record, beatAgeMs: beatAgeMs(file.content, now) };
    if (file.flaw !== undefined) return { kind: "doubt", path, record, why: file.flaw.why };
    return { kind: "dead", path, record };
  });
}
