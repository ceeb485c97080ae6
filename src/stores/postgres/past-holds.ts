import type { Ending, HistoryQuery, PastHold } from "../../core/history.js";
import { decodeText, encodeText, keyOf, nameOf } from "./encoded-text.js";
import { fromUs } from "./server-clock.js";

type HoldTuple = readonly [
  k: number,
  key: string,
  full: string | null,
  id: string,
  instance: string,
  pid: number,
  host: string,
  token: number | null,
  since: number,
  lastHeartbeat: number,
  until: number,
  how: string,
  detail: string | null,
  observed: boolean,
];

/** Later than all. */
const END_US = Number.MAX_SAFE_INTEGER;

/** Ended holds, the last to end first, a page at a time. */
export async function* pastHolds(
  { name, id }: HistoryQuery,
  rows: number,
  ask: (request: object) => Promise<unknown>,
): AsyncIterable<PastHold> {
  let place = { until: END_US, k: 0 };
  const query = {
    rows,
    ...(name === undefined ? {} : { name: keyOf(name).key }),
    ...(id === undefined ? {} : { id: encodeText(id) }),
  };
  for (;;) {
    const page = ((await ask({ ...query, ...place })) ?? []) as readonly HoldTuple[];
    for (const tuple of page) yield pastHold(tuple);
    const last = page.at(-1);
    if (last === undefined || page.length < rows) return;
    place = { until: last[10], k: last[0] };
  }
}

function pastHold(t: HoldTuple): PastHold {
  return {
    name: nameOf(t[1], t[2]),
    id: decodeText(t[3]),
    holder: { instance: decodeText(t[4]), pid: t[5], host: decodeText(t[6]) },
    token: t[7],
    since: fromUs(t[8]),
    lastHeartbeat: fromUs(t[9]),
    until: fromUs(t[10]),
    ending: { how: t[11] as Ending["how"], ...(t[12] === null ? {} : { detail: decodeText(t[12]) }) },
    observed: t[13],
  };
}
