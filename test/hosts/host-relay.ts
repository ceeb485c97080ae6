import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Host } from "./host.ts";
import type { RelayMode, RelayRoute, RelaySettings } from "./relay-protocol.ts";

const FIRST_PORT = 24_000;

/** A relay on a host, through which that host's clients reach the servers. */
export class HostRelay implements AsyncDisposable {
  /** In the order of the servers' own. */
  readonly endpoints: readonly string[];
  readonly #child: ChildProcess;
  readonly #answers: Interface;
  readonly #ended: Promise<unknown[]>;

  private constructor(child: ChildProcess, routes: readonly RelayRoute[]) {
    this.#child = child;
    this.#ended = once(child, "exit");
    this.endpoints = routes.map(({ listenPort }) => `127.0.0.1:${listenPort}`);
    if (child.stdout === null) throw new Error("A relay cannot be heard");
    this.#answers = createInterface({ input: child.stdout });
  }

  static async start(host: Host, protocol: RelaySettings["protocol"], servers: readonly string[]): Promise<HostRelay> {
    const routes = servers.map((server, index) => {
      const [address = "", port] = server.split(":");
      return { listenPort: FIRST_PORT + index, host: address, port: Number(port) };
    });
    const settings: RelaySettings = { protocol, routes };
    const script = fileURLToPath(new URL("relay.ts", import.meta.url));
    const child = host.spawn([process.execPath, script, JSON.stringify(settings)], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const relay = new HostRelay(child, routes);
    await relay.#answered("listening");
    return relay;
  }

  async set(mode: RelayMode): Promise<void> {
    this.#child.stdin?.write(`${mode}\n`);
    await this.#answered(mode);
  }

  /** Fails when the relay has ended by itself: what was seen through it proves nothing then. */
  assertAlive(): void {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null)
      throw new Error("The relay has ended by itself");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.stdin?.end();
    await this.#ended;
  }

  async #answered(word: string): Promise<void> {
    const said = await Promise.race([once(this.#answers, "line"), this.#ended]);
    if (said[0] !== word) throw new Error(`The relay did not answer ${word}, but ${said}`);
  }
}
