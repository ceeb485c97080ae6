import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { freePort } from "../../bench/servers/server-process.ts";
import { HttpRelay } from "./http-relay.ts";
import type { RelayMode } from "./relay-protocol.ts";
import { TcpRelay } from "./tcp-relay.ts";

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

describe.each([
  { protocol: "http", Relay: HttpRelay },
  { protocol: "tcp", Relay: TcpRelay },
])("a relay over $protocol", ({ Relay }) => {
  it("hands requests and answers on", async () => {
    const { ask, asked } = await relayed(Relay, "pass");
    expect(await ask("one")).toBe("one, told 1 times");
    expect(asked).toEqual(["one"]);
  });

  it("delivers a request whose reply it cuts", async () => {
    const { ask, asked } = await relayed(Relay, "cut-replies");
    await expect(ask("one")).rejects.toThrow("fetch failed");
    expect(asked).toEqual(["one"]);
  });

  it("swallows a request without a word", async () => {
    const { ask, asked } = await relayed(Relay, "swallow");
    await expect(ask("one", AbortSignal.timeout(200))).rejects.toThrow(/timeout/);
    expect(asked).toEqual([]);
  });

  it("delays, and loses nothing", async () => {
    const { ask } = await relayed(Relay, "delay");
    const startedAt = performance.now();
    expect(await ask("one")).toBe("one, told 1 times");
    expect(performance.now() - startedAt).toBeGreaterThan(700);
  });
});

describe("a relay over http", () => {
  it("delivers a request twice, and answers with the second answer", async () => {
    const { ask, asked } = await relayed(HttpRelay, "duplicate");
    expect(await ask("one")).toBe("one, told 2 times");
    expect(asked).toEqual(["one", "one"]);
  });
});

async function relayed(Relay: typeof HttpRelay | typeof TcpRelay, mode: RelayMode) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    void answer(request, response);
  });
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await text(request);
    asked.push(body);
    response.end(`${body}, told ${asked.length} times`);
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const listenPort = await freePort();
  const relay = new Relay({ listenPort, host: "127.0.0.1", port: (server.address() as AddressInfo).port });
  relay.mode = mode;
  await relay.listen();
  closing.push(() => {
    relay.close();
    server.closeAllConnections();
    server.close();
  });
  const ask = async (body: string, signal = AbortSignal.timeout(10_000)): Promise<string> => {
    const answer = await fetch(`http://127.0.0.1:${listenPort}/ask`, { method: "POST", body, signal });
    return answer.text();
  };
  return { ask, asked };
}
