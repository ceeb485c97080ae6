import type { Ending, PastHold } from "../../core/history.js";
import { wallMs } from "../../core/timing.js";

/** @returns undefined for a line that is no ended hold: torn by a crash or a full disk, or somebody else's */
export function parsePastHold(line: string): PastHold | undefined {
  const found = parseObject(line);
  const holder = found?.["holder"];
  const ending = found?.["ending"];
  if (found === undefined || !isObject(holder) || !isObject(ending) || !isEnding(ending)) return undefined;
  const { name, id, token, since, lastHeartbeat, until, observed } = found;
  const { instance, pid, host } = holder;
  if (typeof name !== "string" || typeof id !== "string" || typeof observed !== "boolean") return undefined;
  if (typeof instance !== "string" || typeof pid !== "number" || typeof host !== "string") return undefined;
  if (!isMoment(since) || !isMoment(lastHeartbeat) || !isMoment(until)) return undefined;
  if (token !== null && typeof token !== "number") return undefined;
  return {
    name,
    id,
    holder: { instance, pid, host },
    token,
    since: wallMs(since),
    lastHeartbeat: wallMs(lastHeartbeat),
    until: wallMs(until),
    ending,
    observed,
  };
}

/** As far from 1970 as a date can be told. */
const MOMENT_MS_MAX = 8.64e15;

function isMoment(found: unknown): found is number {
  return typeof found === "number" && Math.abs(found) <= MOMENT_MS_MAX;
}

const WAYS: Readonly<Record<Ending["how"], true>> = {
  released: true,
  crashed: true,
  silent: true,
  revoked: true,
  renamed: true,
  lost: true,
};

function isEnding(found: Partial<Record<string, unknown>>): found is Partial<Record<string, unknown>> & Ending {
  const { how, detail } = found;
  return typeof how === "string" && Object.hasOwn(WAYS, how) && (detail === undefined || typeof detail === "string");
}

function parseObject(line: string): Partial<Record<string, unknown>> | undefined {
  try {
    const found: unknown = JSON.parse(line);
    return isObject(found) ? found : undefined;
  } catch {
    return undefined;
  }
}

function isObject(found: unknown): found is Partial<Record<string, unknown>> {
  return typeof found === "object" && found !== null && !Array.isArray(found);
}
