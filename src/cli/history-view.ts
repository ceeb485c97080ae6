/** How a hold is shown, ended or standing. */

import type { WallMs } from "../core/timing.js";
import { type Hold, stateAt } from "../registry/history.js";
import { freeStatus } from "./entry-view.js";
import type { Moment } from "./moment.js";
import { displayName, displayTime, printable } from "./output.js";

/** Keys as in `list --json` and `show --json`. */
export function holdJson(hold: Hold): object {
  const { name, id, holder, token, since, lastHeartbeat } = hold;
  const ended = hold.kind === "ended" ? hold : undefined;
  return {
    name,
    id,
    holder: { host: holder.host, pid: holder.pid, instance: holder.instance },
    token,
    since: iso(since),
    until: ended === undefined ? null : iso(ended.until),
    last_heartbeat: iso(lastHeartbeat),
    status: holdStatus(hold),
    detail: (hold.kind === "ended" ? hold.ending.detail : hold.revocation?.reason) ?? null,
    observed: ended?.observed ?? false,
  };
}

/** `held`, `revoked`, `crashed` or `silent` while the lock stands, as `list` says it; then how it ended. */
function holdStatus(hold: Hold): string {
  if (hold.kind === "ended") return hold.ending.how;
  if (hold.state.kind === "free") return freeStatus(hold.state);
  return hold.revocation === null ? "held" : "revoked";
}

/** The same for people. `*` marks what nobody has told. */
export function holdText(hold: Hold): string {
  const status = holdStatus(hold);
  const { lastHeartbeat } = hold;
  if (hold.kind === "standing") {
    if (status === "held") return "held";
    if (status === "revoked") return `revoked, not given up yet: ${printable(hold.revocation?.reason ?? "")}`;
    return `${status} (last heartbeat ${timeOn(lastHeartbeat, hold.since)})`;
  }
  const mark = hold.observed ? "*" : "";
  const { detail } = hold.ending;
  if (status === "renamed") return `renamed${mark} to ${displayName(detail ?? "")}`;
  if (status === "crashed" || status === "silent") {
    const more = detail === undefined ? "" : `: ${printable(detail)}`;
    return `${status}${mark} (last heartbeat ${timeOn(lastHeartbeat, hold.until)})${more}`;
  }
  return `${status}${mark}${detail === undefined ? "" : `: ${printable(detail)}`}`;
}

/**
 * What is known of it at that moment: of one that began in the course of it, when it had begun.
 *
 * @returns undefined when it had not begun, or was over
 */
export function stateThen(hold: Hold, { from, to }: Moment): ReturnType<typeof stateAt> {
  return hold.since > from && hold.since <= to ? "held" : stateAt(hold, from);
}

/** The same for people. */
export function thenText(hold: Hold, at: Moment): string {
  const state = stateThen(hold, at) ?? "not held";
  const last = timeOn(hold.lastHeartbeat, at.from);
  if (state === "silent") return `silent since ${last}`;
  return state === "unclear" ? `not known, last seen ${last}` : state;
}

export function whoText({ holder }: Pick<Hold, "holder">): string {
  return printable(`${holder.host} (PID ${holder.pid})`);
}

/** The time alone on the day that is spoken of anyway. */
function timeOn(at: WallMs, day: WallMs): string {
  const text = displayTime(at);
  return text.slice(0, 10) === displayTime(day).slice(0, 10) ? text.slice(11) : text;
}

function iso(at: WallMs): string {
  return new Date(at).toISOString();
}
