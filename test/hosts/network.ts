import { Host } from "./host.ts";

const SUBNET = "10.77.0";
const SWITCH = "switch";

/** Undoes what was done to the network. */
export type Heal = () => Promise<void>;

/**
 * Hosts with addresses of their own on one switch, which is a host too, for its own network namespace: nothing of it is in
 * the machine's network, and nothing leads out of it.
 */
export class Network implements AsyncDisposable {
  readonly #switch: Host;
  readonly #hosts: ReadonlyMap<string, Host>;
  /** What the switch drops at present. */
  readonly #rules = new Set<string>();
  #applying = Promise.resolve();

  private constructor(theSwitch: Host, hosts: readonly Host[]) {
    this.#switch = theSwitch;
    this.#hosts = new Map(hosts.map((host) => [host.name, host]));
  }

  static async open(names: readonly string[]): Promise<Network> {
    const network = new Network(await Host.start(SWITCH), await Promise.all(names.map((name) => Host.start(name))));
    try {
      await network.#connect();
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
    return network;
  }

  get names(): readonly string[] {
    return [...this.#hosts.keys()];
  }

  host(name: string): Host {
    const host = this.#hosts.get(name);
    if (host === undefined) throw new RangeError(`There is no host ${name}`);
    return host;
  }

  addressOf(name: string): string {
    return `${SUBNET}.${this.names.indexOf(name) + 1}`;
  }

  /** All addresses, as access rules name them. */
  get range(): string {
    return `${SUBNET}.0/24`;
  }

  /** An address that is no host's own, but moves between hosts. */
  get floatingAddress(): string {
    return `${SUBNET}.100`;
  }

  /** Gives the floating address to one host and takes it from all others, as a cluster manager does at a failover. */
  async moveFloatingAddress(to: string): Promise<void> {
    const address = `${this.floatingAddress}/32`;
    for (const name of this.names) {
      const host = this.host(name);
      if (name === to) await host.run("ip", "address", "replace", address, "dev", "eth0");
      else if ((await host.run("ip", "-brief", "address", "show", "dev", "eth0")).includes(address)) {
        await host.run("ip", "address", "delete", address, "dev", "eth0");
      }
    }
    // In place of the announcement by which the new owner makes others forget the old one's hardware address.
    for (const name of this.names) await this.host(name).run("ip", "neighbour", "flush", "dev", "eth0");
  }

  /** Swallows all that goes from one host to another: nobody is told, and connections stay open on both sides. */
  cut(from: string, to: string): Promise<Heal> {
    return this.#impose([`iifname "${portOf(from)}" oifname "${portOf(to)}" drop`]);
  }

  /** Swallows all that goes between two groups. */
  split(one: readonly string[], other: readonly string[]): Promise<Heal> {
    const pairs = one.flatMap((a) => other.map((b) => [portOf(a), portOf(b)]));
    return this.#impose(
      pairs.flatMap(([a, b]) => [`iifname "${a}" oifname "${b}" drop`, `iifname "${b}" oifname "${a}" drop`]),
    );
  }

  /** Loses so many of a hundred packets of a host, both ways. */
  lose(host: string, percent: number): Promise<Heal> {
    const chance = `numgen random mod 100 < ${Math.round(percent)} drop`;
    return this.#impose([`iifname "${portOf(host)}" ${chance}`, `oifname "${portOf(host)}" ${chance}`]);
  }

  /** Pulls the host's cable. */
  async unplug(host: string): Promise<Heal> {
    await this.#switch.run("ip", "link", "set", portOf(host), "down");
    return async () => void (await this.#switch.run("ip", "link", "set", portOf(host), "up"));
  }

  /** A line that carries so little that packets queue for seconds, both ways. */
  async slow(host: string, kbitPerSecond: number): Promise<Heal> {
    const ends = [
      { of: this.host(host), device: "eth0" },
      { of: this.#switch, device: portOf(host) },
    ];
    const shape = ["tbf", "rate", `${kbitPerSecond}kbit`, "burst", "1600", "latency", "3s"];
    for (const { of, device } of ends) await of.run("tc", "qdisc", "replace", "dev", device, "root", ...shape);
    return async () => {
      for (const { of, device } of ends) await of.run("tc", "qdisc", "delete", "dev", device, "root");
    };
  }

  /** Answers all that comes to a host's port with a reset, as a machine does on which nobody listens any more. */
  async reset(host: string, port: number): Promise<Heal> {
    const target = this.host(host);
    await target.runWithInput(
      `table inet faults {
         chain input {
           type filter hook input priority 0; policy accept;
           iifname "eth0" tcp dport ${port} reject with tcp reset
         }
       }`,
      ...["nft", "--file", "-"],
    );
    return async () => void (await target.run("nft", "delete", "table", "inet", "faults"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const host of [...this.#hosts.values(), this.#switch]) await host[Symbol.asyncDispose]();
  }

  async #connect(): Promise<void> {
    await this.#switch.run("ip", "link", "add", SWITCH, "type", "bridge");
    await this.#switch.run("ip", "link", "set", SWITCH, "up");
    for (const [name, host] of this.#hosts) {
      const port = portOf(name);
      const peer = ["type", "veth", "peer", "name", "eth0", "netns", String(host.pid)];
      await this.#switch.run("ip", "link", "add", port, ...peer);
      await this.#switch.run("ip", "link", "set", port, "master", SWITCH, "up");
      await host.run("ip", "address", "add", `${this.addressOf(name)}/24`, "dev", "eth0");
      await host.run("ip", "link", "set", "eth0", "up");
    }
    await this.#apply();
  }

  async #impose(rules: readonly string[]): Promise<Heal> {
    for (const rule of rules) this.#rules.add(rule);
    await this.#apply();
    return async () => {
      for (const rule of rules) this.#rules.delete(rule);
      await this.#apply();
    };
  }

  /** All rules at once, in the order in which they were asked for. */
  #apply(): Promise<void> {
    const chain = `
      table bridge faults {
        chain forward {
          type filter hook forward priority 0; policy accept;
        }
      }
      flush chain bridge faults forward
      ${[...this.#rules].map((rule) => `add rule bridge faults forward ${rule}`).join("\n")}
    `;
    this.#applying = this.#applying.then(
      async () => void (await this.#switch.runWithInput(chain, "nft", "--file", "-")),
    );
    return this.#applying;
  }
}

function portOf(host: string): string {
  return `port-${host}`;
}
