import { once } from "node:events";
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { RELAY_DELAY_MS, type RelayMode, type RelayRoute } from "./relay-protocol.ts";

/** Hands requests of HTTP on, one by one. What streams (a watch) passes in every mode but `swallow`. */
export class HttpRelay {
  mode: RelayMode = "pass";
  readonly #route: RelayRoute;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #server = createServer((incoming, response) => {
    this.#serve(incoming, response).catch(() => response.destroy());
  });

  constructor(route: RelayRoute) {
    this.#route = route;
  }

  async listen(): Promise<void> {
    this.#server.listen(this.#route.listenPort, "127.0.0.1");
    await once(this.#server, "listening");
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
    this.#agent.destroy();
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(incoming);
    if (this.mode === "swallow") return;
    const lateMs = this.mode === "delay" ? RELAY_DELAY_MS : 0;
    await sleep(lateMs);
    const isStream = incoming.url?.endsWith("/watch") ?? false;
    // The first delivery's answer is taken, so that the second one comes after it, and then dropped.
    if (this.mode === "duplicate" && !isStream) await buffer(await this.#deliver(incoming, body));
    const answer = await this.#deliver(incoming, body);
    if (this.mode === "cut-replies" && !isStream) {
      answer.destroy();
      response.destroy();
      return;
    }
    await sleep(lateMs);
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    response.once("close", () => answer.destroy());
    answer.on("error", () => response.destroy());
    answer.pipe(response);
  }

  async #deliver(incoming: IncomingMessage, body: Buffer): Promise<IncomingMessage> {
    const { host, port } = this.#route;
    const { method, url, headers } = incoming;
    const { "transfer-encoding": _, ...rest } = headers;
    const outgoing = request({
      ...{ host, port, method, path: url, agent: this.#agent },
      headers: { ...rest, "content-length": body.length },
    });
    // Also after the answer has begun: whoever reads it is told.
    outgoing.on("error", () => undefined);
    outgoing.end(body);
    const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
    return answer;
  }
}
