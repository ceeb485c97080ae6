/** The history: as many holds as there is room for, the last to end last. */
import { type HistoryQuery, isAskedFor, type PastHold } from "../../core/history.js";
import { endOf } from "./keys.js";
import type { Tools } from "./tools.js";
import { remove } from "./wire.js";

const HOLDS_MAX = 10_000;
const BACKUPS_MAX = 1_000;
const PAGE = 500;

/** The holds that are asked for, the last to end first. */
export async function* holdsOf({ client, keys }: Tools, query: HistoryQuery): AsyncIterable<PastHold> {
  for (let end = endOf(keys.holds); ; ) {
    const { kvs } = await client.range(keys.holds, { end, limit: PAGE, isDescending: true });
    for (const { value } of kvs) {
      const hold = JSON.parse(value) as PastHold;
      if (isAskedFor(hold, query)) yield hold;
    }
    const last = kvs.at(-1);
    if (last === undefined || kvs.length < PAGE) return;
    end = last.key;
  }
}

/** Drops the oldest holds and backups beyond what is kept. */
export async function prune(tools: Tools): Promise<void> {
  await pruneUnder(tools, tools.keys.holds, HOLDS_MAX);
  await pruneUnder(tools, tools.keys.backups, BACKUPS_MAX);
}

async function pruneUnder({ client }: Tools, start: string, max: number): Promise<void> {
  const end = endOf(start);
  for (;;) {
    const { count } = await client.range(start, { end, countOnly: true });
    if (count <= max) return;
    const { kvs } = await client.range(start, { end, limit: Math.min(count - max, PAGE), keysOnly: true });
    const last = kvs.at(-1);
    // The last of them, too.
    if (last !== undefined) await client.txn([], [remove(start, `${last.key}\0`)]);
  }
}
