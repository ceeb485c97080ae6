import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { expect, it } from "vitest";
import { LockManager } from "../../src/registry/lock-manager.js";
import { Registry } from "../../src/registry/registry.js";
import { EtcdStore } from "../../src/stores/etcd/etcd-store.js";
import { EtcdCluster } from "./etcd-cluster.js";

const PRODUCT = new URL("../../dist/index.js", import.meta.url).href;
/** Claims, and tells for each line that it is sent whether it holds the name, and what ended that. */
const CLIENT = `
import { openRegistry } from ${JSON.stringify(PRODUCT)};
const registry = await openRegistry(process.argv[1], { lockTtlMs: 3_000, heartbeatIntervalMs: 500 });
const claim = await registry.claim("arm", { type: "node" });
const tell = () => console.log(JSON.stringify({ held: claim.held, aborted: claim.signal.aborted }));
process.stdin.on("data", tell);
claim.signal.addEventListener("abort", tell);
tell();
`;

interface Told {
  readonly held: boolean;
  readonly aborted: boolean;
}

/** A process of its own, that can be stopped. */
class Client implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(location: string) {
    this.child = spawn(process.execPath, ["--input-type=module", "-e", CLIENT, location], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    if (this.child.stdout === null) throw new Error("no output");
    this.#lines = createInterface(this.child.stdout)[Symbol.asyncIterator]();
  }

  async told(): Promise<Told> {
    return JSON.parse((await this.#lines.next()).value as string) as Told;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await ended;
  }
}

it("a client that was stopped past its TTL knows at once, when it goes on, that another has its name [G4, G5, G6]", async () => {
  await using cluster = await EtcdCluster.start(1);
  const store = new EtcdStore({ endpoints: cluster.endpoints });
  await using registry = new Registry(store.location, store, new LockManager());
  await using client = new Client(store.location);
  expect(await client.told()).toEqual({ held: true, aborted: false });
  client.child.kill("SIGSTOP");
  const claim = await registry.claim("arm", { type: "node", waitMs: 20_000 });
  client.child.kill("SIGCONT");
  client.child.stdin?.write("?\n");
  const [first, second] = [await client.told(), await client.told()];
  // Asked before or after a timer has run: it is not held either way.
  expect([first.held, second.held]).toEqual([false, false]);
  expect(second.aborted).toBe(true);
  expect(claim.held).toBe(true);
  expect((await registry.store.read("arm")).record?.token).toBe(claim.token);
});
