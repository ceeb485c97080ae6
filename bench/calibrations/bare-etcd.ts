/** What a claim in etcd cannot be cheaper than: one transaction that puts one key, on condition of its revision. */
import type * as Clocks from "../../src/platform/clock.ts";
import type * as Member from "../../src/stores/etcd/member-connection.ts";
import { nameAt } from "../harness/protocol.ts";
import type { Calibration } from "./calibration.ts";

/** About what the store keeps under a name. */
const VALUE = base64("x".repeat(600));
const TIMEOUT_MS = 5_000;

interface TxnAnswer {
  readonly header: { readonly revision: string };
  readonly succeeded?: boolean;
}

export const bareEtcd: Calibration = {
  id: "calibration/etcd-transaction",
  title: "etcd, one transaction",
  what: "one comparison and one put through the JSON gateway, by the store's own HTTP client, raft log synced",
  needs: "etcd",
  locate: (_directory, url) => url,
  async start({ location }) {
    const { MemberConnection } = await load<typeof Member>("stores/etcd/member-connection.js");
    const { systemClock } = await load<typeof Clocks>("platform/clock.js");
    const { hostname: host, port } = new URL(location);
    const member = new MemberConnection({ host, port: Number(port) }, undefined, systemClock);
    const revisions = new Map<string, string>();
    const putAt = async (name: string): Promise<void> => {
      const key = base64(`/bare/${name}`);
      const compare = { key, target: "MOD", result: "EQUAL", mod_revision: revisions.get(name) ?? "0" };
      const body = JSON.stringify({ compare: [compare], success: [{ request_put: { key, value: VALUE } }] });
      const { status, text } = await member.call({ path: "/v3/kv/txn", body, token: undefined, timeoutMs: TIMEOUT_MS });
      if (status !== 200) throw new Error(`etcd refused a transaction: ${text.trim()}`);
      const { header, succeeded = false } = JSON.parse(text) as TxnAnswer;
      if (!succeeded) throw new Error(`${name} was changed by somebody else.`);
      revisions.set(name, header.revision);
    };
    return {
      async fill(population) {
        for (let index = 0; index < population; index += 1) await putAt(nameAt(index));
      },
      run: putAt,
      close: () => member.close(),
    };
  },
};

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

/** From the build that is measured. */
async function load<T>(file: string): Promise<T> {
  return (await import(new URL(`../../dist/${file}`, import.meta.url).href)) as T;
}
