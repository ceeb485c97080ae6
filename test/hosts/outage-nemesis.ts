import { setTimeout as sleep } from "node:timers/promises";
import { bootClockMs } from "../chaos/boot-clock.ts";
import type { Fault } from "../chaos/history.ts";
import type { Isolation } from "./check-isolation.ts";
import type { Engine } from "./engine.ts";
import type { FailOver } from "./exceptions.ts";
import type { HostRelay } from "./host-relay.ts";
import type { Heal, Network } from "./network.ts";
import { describeOutage, type PlannedOutage, type ServerPart } from "./schedule.ts";

export interface Lab {
  readonly network: Network;
  readonly engine: Engine;
  readonly relay: HostRelay;
}

/** Hurts servers and network as planned, and notes what was truly done. */
export class OutageNemesis {
  readonly #lab: Lab;
  readonly #faults: Fault[] = [];
  readonly #failOvers: FailOver[] = [];
  readonly #isolations: Isolation[] = [];

  constructor(lab: Lab) {
    this.#lab = lab;
  }

  get faults(): readonly Fault[] {
    return this.#faults;
  }

  get failOvers(): readonly FailOver[] {
    return this.#failOvers;
  }

  /** When from which hosts the store could not be asked. */
  get isolations(): readonly Isolation[] {
    return this.#isolations;
  }

  /** Resolves when all is whole again, at an interruption too. */
  async run(plan: readonly PlannedOutage[], interrupted: AbortSignal): Promise<void> {
    const startedAt = bootClockMs();
    for (const outage of plan) {
      await pause(startedAt + outage.atMs - bootClockMs(), interrupted);
      if (interrupted.aborted) return;
      const fromAt = bootClockMs();
      if (outage.kind === "fail-over") await this.#failOver(outage.behindMs, interrupted);
      else await this.#hurtFor(outage, interrupted);
      // A stepped clock is no excuse for anything.
      const kind = outage.kind === "server-clock" ? "clock-step" : "outage";
      this.#faults.push({ kind, target: describeOutage(outage), fromAt, untilAt: bootClockMs() });
    }
  }

  async #hurtFor(outage: Exclude<PlannedOutage, { kind: "fail-over" }>, interrupted: AbortSignal): Promise<void> {
    const heal = await this.#hurt(outage);
    const fromAt = bootClockMs();
    try {
      await pause(outage.forMs, interrupted);
    } finally {
      this.#isolations.push({ hosts: this.#cutOffBy(outage), fromAt, untilAt: bootClockMs() });
      await heal();
    }
  }

  /** Hosts from which nobody is served now. */
  #cutOffBy(outage: PlannedOutage): string[] {
    const { network, engine } = this.#lab;
    const apart =
      outage.kind === "split"
        ? outage.side
        : outage.kind === "isolate" || outage.kind === "unplug"
          ? [outage.host]
          : [];
    return [apart, allBut(network.names, apart)].filter((hosts) => !engine.serves(hosts)).flat();
  }

  async #hurt(outage: Exclude<PlannedOutage, { kind: "fail-over" }>): Promise<Heal> {
    const { network, engine, relay } = this.#lab;
    switch (outage.kind) {
      case "isolate":
        return network.split([outage.host], allBut(network.names, [outage.host]));
      case "unplug":
        return network.unplug(outage.host);
      case "cut":
        return network.cut(outage.from, outage.to);
      case "split":
        return network.split(outage.side, allBut(network.names, outage.side));
      case "slow":
        return network.slow(outage.host, outage.kbitPerSecond);
      case "lose":
        return network.lose(outage.host, outage.percent);
      case "reset":
        return network.reset(await this.#hostOf(outage.part), engine.port);
      case "relay":
        await relay.set(outage.mode);
        return () => relay.set("pass");
      case "server-kill":
        return this.#killServers([await this.#hostOf(outage.part)]);
      case "all-killed":
        return this.#killServers(await engine.serverHosts());
      case "server-stop": {
        const host = await this.#hostOf(outage.part);
        engine.pause(host);
        return async () => engine.resume(host);
      }
      case "server-clock": {
        const host = await this.#hostOf(outage.part);
        engine.stepClock?.(host, outage.offsetSeconds);
        return async () => engine.stepClock?.(host, 0);
      }
      default:
        return outage satisfies never;
    }
  }

  async #killServers(hosts: readonly string[]): Promise<Heal> {
    const { engine } = this.#lab;
    await Promise.all(hosts.map((host) => engine.kill(host)));
    return async () => void (await Promise.all(hosts.map((host) => engine.restart(host))));
  }

  async #failOver(behindMs: number, interrupted: AbortSignal): Promise<void> {
    const { network, engine } = this.#lab;
    const [primary = "", replica = ""] = await engine.serverHosts();
    const lostSinceAt = bootClockMs();
    await engine.replicaCaughtUp?.();
    const heal = await network.split([primary], [replica]);
    try {
      await pause(behindMs, interrupted);
      await engine.failOver?.();
    } finally {
      await heal();
    }
    this.#failOvers.push({ lostSinceAt, doneAt: bootClockMs() });
    await engine.rebuildReplica?.();
  }

  async #hostOf(part: ServerPart): Promise<string> {
    const [leader = "", ...followers] = await this.#lab.engine.serverHosts();
    return part === "leader" ? leader : (followers[0] ?? leader);
  }
}

function allBut(all: readonly string[], some: readonly string[]): string[] {
  return all.filter((one) => !some.includes(one));
}

async function pause(forMs: number, interrupted: AbortSignal): Promise<void> {
  await sleep(Math.max(0, forMs), undefined, { signal: interrupted }).catch((error: unknown) => {
    if (!interrupted.aborted) throw error;
  });
}
