import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/**
 * - `pass`: everything goes through.
 * - `cut-replies`: what is asked arrives; the connection is cut instead of the answer.
 * - `swallow`: connections stand, and nothing goes through any more, in either direction.
 */
export type ProxyMode = "pass" | "cut-replies" | "swallow";

/** Stands before a server, and may betray both sides. */
export class TreacherousProxy implements AsyncDisposable {
  mode: ProxyMode = "pass";
  /** What comes after the first answer that it has cut. */
  afterCut: ProxyMode = "cut-replies";
  cuts = 0;
  /** The paths that were asked for, in their order. */
  readonly requests: string[] = [];
  /** Whether changes are held up before they arrive, until `letGo`. */
  delayWrites = false;
  readonly #delayed: (() => void)[] = [];
  #delays = Promise.withResolvers<void>();
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async before(port: number): Promise<TreacherousProxy> {
    const server = createServer();
    const proxy = new TreacherousProxy(server);
    server.on("connection", (client) => proxy.#connect(client, port));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return proxy;
  }

  get endpoint(): { readonly host: string; readonly port: number } {
    return { host: "127.0.0.1", port: (this.#server.address() as AddressInfo).port };
  }

  /** Resolves when a change is held up. */
  hasDelayed(): Promise<void> {
    return this.#delays.promise;
  }

  /** What was held up arrives. */
  letGo(): void {
    for (const send of this.#delayed.splice(0)) send();
    this.#delays = Promise.withResolvers();
  }

  /** Ends what stands. */
  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cutAll();
    this.#server.close();
    await once(this.#server, "close");
  }

  #connect(client: Socket, port: number): void {
    const server = connect({ port, host: "127.0.0.1" });
    let isHeldUp = false;
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        client.destroy();
        // What is held up arrives although nobody waits for its answer.
        if (!isHeldUp) server.destroy();
      });
    }
    client.on("data", (data) => {
      if (this.mode === "swallow") return;
      const [, path] = /^POST (\S+) HTTP/.exec(data.toString("latin1")) ?? [];
      if (path !== undefined) this.requests.push(path);
      // A change of ours has a condition, or at least says that it has none.
      if (this.delayWrites && data.includes('"compare":')) {
        isHeldUp = true;
        this.#delayed.push(() => server.write(data));
        this.#delays.resolve();
      } else server.write(data);
    });
    server.on("data", (data) => {
      if (this.mode === "pass") client.write(data);
      if (this.mode !== "cut-replies") return;
      // What only tells of a lease may arrive: the answer of a change is what is to be lost.
      if (!data.includes('"succeeded":true')) {
        client.write(data);
        return;
      }
      this.cuts += 1;
      this.mode = this.afterCut;
      client.destroy();
    });
  }
}
