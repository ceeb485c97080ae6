/** All names, in pages. */
import { endOf } from "./keys.js";
import { AnswerTooLong } from "./member-connection.js";
import { locksIn, readName, signOf } from "./stored.js";
import type { Tools } from "./tools.js";
import { View } from "./view.js";
import type { Kv } from "./wire.js";

const PAGE = 500;

/** Each with all that is known of its names. */
export async function* pagesOf({ client, keys, known }: Tools) {
  for await (const kvs of nameKeys({ client, keys })) {
    const view = new View(keys, known);
    const names = kvs.flatMap(({ key }) => keys.nameIn(key) ?? []);
    for (const kv of kvs) view.put(kv.key, kv);
    const signs = kvs.flatMap((kv) => locksIn(readName(kv)).map((lock) => signOf(keys, lock)));
    await view.look(client, [keys.recovery, ...new Set(signs)]);
    const first = names[0];
    const last = names.at(-1);
    if (first === undefined || last === undefined) continue;
    const { kvs: queues } = await client.range(keys.queue(first), { end: endOf(keys.queue(last)) });
    for (const name of names) view.putUnder(keys.queue(name), queues);
    yield { view, names };
  }
}

/** The greatest that was ever given, as far as it is remembered. */
export async function lastTokenIn({ client, keys }: Pick<Tools, "client" | "keys">): Promise<number> {
  const [floor] = (await client.range(keys.floor)).kvs;
  let last = floor === undefined ? 0 : (JSON.parse(floor.value) as number);
  for await (const kvs of nameKeys({ client, keys })) {
    for (const kv of kvs) last = Math.max(last, readName(kv).lastToken);
  }
  // What has gone meanwhile has left its token there.
  const [again] = (await client.range(keys.floor)).kvs;
  return again === undefined ? last : Math.max(last, JSON.parse(again.value) as number);
}

async function* nameKeys({ client, keys }: Pick<Tools, "client" | "keys">): AsyncIterable<readonly Kv[]> {
  let limit = PAGE;
  for (let start = keys.names; ; ) {
    const kvs = await pageFrom(client, { start, end: endOf(keys.names), limit });
    if (kvs === null) {
      limit = Math.ceil(limit / 4);
      continue;
    }
    yield kvs;
    const last = kvs.at(-1);
    if (last === undefined || kvs.length < limit) return;
    start = `${last.key}\0`;
  }
}

/** @returns null when so many are too long together */
async function pageFrom(
  client: Tools["client"],
  { start, end, limit }: { readonly start: string; readonly end: string; readonly limit: number },
): Promise<readonly Kv[] | null> {
  try {
    return (await client.range(start, { end, limit })).kvs;
  } catch (error) {
    if (!(error instanceof AnswerTooLong) || limit === 1) throw error;
    return null;
  }
}
