import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** A connection between a store and its server, as networks are. */
export class FaultyNetwork implements AsyncDisposable {
  /** What becomes of bytes: passed on, swallowed in both directions, or requests passed on and their answers cut off. */
  mode: "pass" | "swallow" | "cut answers" = "pass";
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  static async start(targetPort: number): Promise<FaultyNetwork> {
    const server = createServer({ allowHalfOpen: false });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const proxy = new FaultyNetwork(server);
    server.on("connection", (client) => proxy.#join(client, connect(targetPort, "127.0.0.1")));
    return proxy;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  #join(client: Socket, target: Socket): void {
    for (const socket of [client, target]) {
      this.#sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.once("close", () => {
        this.#sockets.delete(socket);
        if (this.mode !== "swallow") {
          client.destroy();
          target.destroy();
        }
      });
    }
    client.on("data", (bytes) => {
      if (this.mode !== "swallow") target.write(bytes);
    });
    target.on("data", (bytes) => {
      if (this.mode === "pass") client.write(bytes);
      if (this.mode === "cut answers") client.destroy();
    });
  }
}
