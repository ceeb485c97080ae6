/** How a hold is shown, ended or standing. */

import type { WallMs } from "../core/timing.js";
import { type Hold, stateAt } from "../registry/history.js";
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

/** `held`, `revoked` or `crashed` while the lock stands, as `list` says it; then how it ended. */
export function holdStatus(hold: Hold): string {
  if (hold.kind === "ended") return hold.ending.how;
  if (hold.state.kind === "free") return "crashed";
  return hold.revocation === null ? "held" : "revoked";
}

/** The same for people. `*` marks what nobody has told. */
export function holdText(hold: Hold): string {
  const status = holdStatus(hold);
  const { lastHeartbeat } = hold;
  if (hold.kind === "standing") {
    if (status === "held") return "held";
    if (status === "revoked") return `revoked, not given up yet: ${printable(hold.revocation?.reason ?? "")}`;
    return `crashed (last heartbeat ${timeOn(lastHeartbeat, hold.since)})`;
  }
  const mark = hold.observed ? "*" : "";
  const { detail } = hold.ending;
  if (status === "renamed") return `renamed${mark} to ${displayName(detail ?? "")}`;
  if (status === "crashed" || status === "silent") {
    return `${status}${mark} (last heartbeat ${timeOn(lastHeartbeat, hold.until)})`;
  }
  return `${status}${mark}${detail === undefined ? "" : `: ${printable(detail)}`}`;
}

/** What is known of it at one moment. */
export function thenText(hold: Hold, at: WallMs): string {
  const state = stateAt(hold, at) ?? "not held";
  const last = timeOn(hold.lastHeartbeat, at);
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
