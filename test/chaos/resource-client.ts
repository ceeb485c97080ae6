import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import type { WriteRequest } from "./guarded-resource.ts";

/** A writer's side of the guarded resource: answers come in the order of the requests. */
export class ResourceClient {
  readonly #socket: Socket;
  readonly #waiting: ((answer: string) => void)[] = [];

  constructor(socketPath: string) {
    this.#socket = connect(socketPath);
    createInterface({ input: this.#socket }).on("line", (answer) => this.#waiting.shift()?.(answer));
  }

  /** Whether the resource accepted the write. */
  async write(request: WriteRequest): Promise<boolean> {
    const answered = new Promise<string>((resolve) => this.#waiting.push(resolve));
    this.#socket.write(`${JSON.stringify(request)}\n`);
    return (await answered) === "accepted";
  }

  close(): void {
    this.#socket.destroy();
  }
}
