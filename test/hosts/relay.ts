/**
 * A process between clients and servers, which hurts requests one by one, as the network cannot: proxies and load
 * balancers do such things. The end of its stdin ends it.
 */
import { createInterface } from "node:readline";
import { HttpRelay } from "./http-relay.ts";
import type { RelayMode, RelaySettings } from "./relay-protocol.ts";
import { TcpRelay } from "./tcp-relay.ts";

const { protocol, routes } = JSON.parse(process.argv[2] ?? "") as RelaySettings;
const relays = routes.map((route) => (protocol === "http" ? new HttpRelay(route) : new TcpRelay(route)));
await Promise.all(relays.map((relay) => relay.listen()));
console.log("listening");
const orders = createInterface({ input: process.stdin });
orders.on("line", (line) => {
  for (const relay of relays) relay.mode = line as RelayMode;
  console.log(line);
});
orders.once("close", () => process.exit(0));
