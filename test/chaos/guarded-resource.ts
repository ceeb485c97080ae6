/**
 * What the names protect: a service of its own, that no fault touches, with one `Fence`. It decides write by write, in
 * the order in which they arrive, and keeps the log by which writers are judged. One line a write on a unix socket.
 */
import { createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { Fence, isNameholdError } from "namehold";
import type { ResourceDecision } from "./history.ts";

export interface WriteRequest {
  readonly name: string;
  readonly process: string;
  readonly token: number | null;
}

export class GuardedResource implements AsyncDisposable {
  readonly socketPath: string;
  readonly #server: Server;
  readonly #fence: Pick<Fence, "assertFence">;
  readonly #log: ResourceDecision[] = [];
  readonly #sockets = new Set<Socket>();

  private constructor(socketPath: string, fence: Pick<Fence, "assertFence">) {
    this.socketPath = socketPath;
    this.#fence = fence;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  /** `fence`: another than the library's, by which the rig itself is tested. */
  static async listen(socketPath: string, fence: Pick<Fence, "assertFence"> = new Fence()): Promise<GuardedResource> {
    const resource = new GuardedResource(socketPath, fence);
    await new Promise<void>((resolve, reject) => {
      resource.#server.once("error", reject);
      resource.#server.listen(socketPath, resolve);
    });
    return resource;
  }

  /** Every decision, in order. */
  get log(): readonly ResourceDecision[] {
    return this.#log;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    const lines = createInterface({ input: socket });
    // A killed writer resets its connection; what it had asked before is decided all the same.
    for (const source of [socket, lines]) source.on("error", () => undefined);
    lines.on("line", (line) => {
      const accepted = this.#decide(JSON.parse(line) as WriteRequest);
      socket.write(accepted ? "accepted\n" : "refused\n");
    });
  }

  /** A careless client that shows no token at all gets through, as it would where nobody looks: the checker must see it. */
  #decide(request: WriteRequest): boolean {
    const accepted = request.token === null || this.#admits(request.name, request.token);
    this.#log.push({ ...request, accepted });
    return accepted;
  }

  #admits(name: string, token: number): boolean {
    try {
      this.#fence.assertFence(name, token);
      return true;
    } catch (error) {
      if (isNameholdError(error, "fenced")) return false;
      throw error;
    }
  }
}
