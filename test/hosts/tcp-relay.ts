import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { RELAY_DELAY_MS, type RelayMode, type RelayRoute } from "./relay-protocol.ts";

/** Hands bytes on. `duplicate` is `pass` here: nobody delivers a stream twice. */
export class TcpRelay {
  mode: RelayMode = "pass";
  readonly #route: RelayRoute;
  readonly #server = createServer((client) => this.#serve(client));
  readonly #clients = new Set<Socket>();
  /** When the last of what is on its way is handed on. */
  readonly #dueAt = new WeakMap<Socket, number>();

  constructor(route: RelayRoute) {
    this.#route = route;
  }

  async listen(): Promise<void> {
    this.#server.listen(this.#route.listenPort, "127.0.0.1");
    await once(this.#server, "listening");
  }

  close(): void {
    for (const socket of this.#clients) socket.destroy();
    this.#server.close();
  }

  #serve(client: Socket): void {
    this.#clients.add(client);
    client.once("close", () => this.#clients.delete(client));
    const { host, port } = this.#route;
    const server = connect(port, host);
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.setNoDelay(true);
      one.on("error", () => undefined);
      one.once("close", () => other.destroy());
    }
    client.on("data", (data) => this.#handOn(data, server));
    server.on("data", (data) => {
      if (this.mode === "cut-replies") client.destroy();
      else this.#handOn(data, client);
    });
  }

  #handOn(data: Buffer, to: Socket): void {
    if (this.mode === "swallow") return;
    // What comes at the end of a delay must not overtake what is still late.
    const lateMs = this.mode === "delay" ? RELAY_DELAY_MS : 0;
    const dueAt = Math.max(performance.now() + lateMs, this.#dueAt.get(to) ?? 0);
    this.#dueAt.set(to, dueAt);
    if (dueAt <= performance.now()) to.write(data);
    else setTimeout(() => to.write(data), dueAt - performance.now());
  }
}
