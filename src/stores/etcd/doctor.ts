/** What `doctor` looks at in etcd. The clocks of clients do not matter: leases are measured by etcd's own. */
import { messageOf, NameholdError } from "../../core/errors.js";
import type { Check, Examined, FixableFinding } from "../../core/finding.js";
import { newLeaseId } from "./own-life.js";
import type { Tools } from "./tools.js";
import { isAt, put } from "./wire.js";

export type EtcdTools = Pick<Tools, "client" | "clock" | "keys">;

interface Status {
  readonly header?: { readonly cluster_id?: string };
  readonly version?: string;
  readonly leader?: string;
  readonly isLearner?: boolean;
}

type Found = { readonly at: string } & ({ readonly status: Status } | { readonly failure: string });

/** What holders have where nothing else is said. */
const TTL_MS = 30_000;
/** A round trip that takes more of the time between two heartbeats leaves little for trouble. */
const LATENCY_MS_MAX = TTL_MS / 60;
/** Leases that last longer than what was asked for keep the names of the dead. */
const LEASE_SECONDS_MAX = TTL_MS / 1_000;
const SAMPLES = 5;

const membersCheck: Check<EtcdTools> = {
  check: "etcd-members",
  title: "Members of etcd",
  examine: async ({ client }): Promise<Examined> => {
    const found = await Promise.all(client.members.map((_, index) => statusOf(client, index)));
    const up = found.filter((one) => "status" in one);
    const versions = [...new Set(up.map(({ status }) => status.version ?? "unknown"))];
    return {
      looked: `${up.length} of ${found.length} answer${versions.length === 0 ? "" : `, version ${versions.join(", ")}`}`,
      findings: [...found.flatMap(memberFindings), ...clusterFindings(up)],
    };
  },
};

const accessCheck: Check<EtcdTools> = {
  check: "etcd-access",
  title: "Access to etcd",
  examine: async ({ client, clock, keys }): Promise<Examined> => {
    try {
      const tookMs: number[] = [];
      for (let i = 0; i < SAMPLES; i += 1) {
        const start = clock.monotonicMs();
        await client.range(keys.floor);
        tookMs.push(clock.monotonicMs() - start);
      }
      // Rights are looked at whether or not the condition holds, and this one never does.
      await client.txn([isAt(keys.floor, Number.MAX_SAFE_INTEGER)], [put(keys.floor, "0")]);
      const latencyMs = tookMs.toSorted((a, b) => a - b)[Math.floor(SAMPLES / 2)] ?? 0;
      return {
        looked: `may read and write ${keys.prefix}, round trip ${latencyMs.toFixed(1)} ms`,
        findings: latencyMs > LATENCY_MS_MAX ? [slow(latencyMs)] : [],
      };
    } catch (error) {
      if (!(error instanceof NameholdError)) throw error;
      return { looked: "cannot be used", findings: [unusable(error)] };
    }
  },
};

/** A lease that nothing hangs on, and that is given back: etcd tells its shortest by no other way. */
const leasesCheck: Check<EtcdTools> = {
  check: "etcd-leases",
  title: "Leases of etcd",
  examine: async ({ client }): Promise<Examined> => {
    try {
      const seconds = await client.shortestLease(newLeaseId());
      return {
        looked: `the shortest lasts ${seconds} s`,
        findings: seconds > LEASE_SECONDS_MAX ? [longLeases(seconds)] : [],
      };
    } catch (error) {
      if (!(error instanceof NameholdError)) throw error;
      return { looked: "none is given", findings: [unusable(error, "etcd-leases")] };
    }
  },
};

const alarmsCheck: Check<EtcdTools> = {
  check: "etcd-alarms",
  title: "Alarms of etcd",
  examine: async ({ client }): Promise<Examined> => {
    const failures: unknown[] = [];
    for (const index of client.members.keys()) {
      try {
        const { alarms = [] } = (await client.askMember(index, "/v3/maintenance/alarm", { action: "GET" })) as {
          alarms?: readonly { readonly alarm?: string }[];
        };
        const kinds = [...new Set(alarms.map(({ alarm = "NONE" }) => alarm))];
        return { looked: kinds.length === 0 ? "none" : kinds.join(", "), findings: kinds.map(alarmRaised) };
      } catch (error) {
        failures.push(error);
      }
    }
    throw failures[0];
  },
};

export const etcdChecks: readonly Check<EtcdTools>[] = [membersCheck, accessCheck, leasesCheck, alarmsCheck];

async function statusOf(client: EtcdTools["client"], index: number): Promise<Found> {
  const { host, port } = client.members[index] ?? { host: "", port: 0 };
  const at = `${host}:${port}`;
  try {
    return { at, status: (await client.askMember(index, "/v3/maintenance/status", {})) as Status };
  } catch (error) {
    return { at, failure: messageOf(error) };
  }
}

function memberFindings(found: Found): readonly FixableFinding[] {
  if ("failure" in found) {
    return [
      {
        code: "etcd-members.down",
        severity: "warning",
        what: `The member at ${found.at} does not answer: ${found.failure}.`,
        means:
          "The others do its work as long as they are a majority; without one, no name can be claimed or refreshed.",
        remedy: "Start it, or take its address out of the location.",
      },
    ];
  }
  const { at, status } = found;
  const findings: FixableFinding[] = [];
  if (status.leader === undefined || status.leader === "0") {
    findings.push({
      code: "etcd-members.no-leader",
      severity: "problem",
      what: `The member at ${at} knows of no leader.`,
      means: "It has no majority behind it: what is asked there fails, and other members are tried.",
      remedy: "Check the network between the members, and that a majority of them runs.",
    });
  }
  if (status.isLearner === true) {
    findings.push({
      code: "etcd-members.learner",
      severity: "warning",
      what: `The member at ${at} is a learner.`,
      means: "It answers no requests of ours.",
      remedy: "Promote it (etcdctl member promote), or take its address out of the location.",
    });
  }
  if (!isKnownVersion(status.version ?? "")) {
    findings.push({
      code: "etcd-members.version",
      severity: "problem",
      what: `The member at ${at} is etcd ${status.version ?? "of an unknown version"}.`,
      means: "namehold needs etcd 3.4 or later.",
      remedy: "Upgrade it.",
    });
  }
  return findings;
}

/** Whoever asks one or the other sees other names, and other holders. */
function clusterFindings(up: readonly { readonly at: string; readonly status: Status }[]): readonly FixableFinding[] {
  const byCluster = Map.groupBy(up, ({ status }) => status.header?.cluster_id ?? "");
  if (byCluster.size <= 1) return [];
  const groups = [...byCluster.values()].map((members) => members.map(({ at }) => at).join(" and "));
  return [
    {
      code: "etcd-members.clusters",
      severity: "problem",
      what: `The addresses are of ${byCluster.size} different clusters: ${groups.join("; ")}.`,
      means: "Each has names and holders of its own: two processes may hold one name.",
      remedy: "Name the members of one cluster alone in the location, the same everywhere.",
    },
  ];
}

function isKnownVersion(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 3 || (major === 3 && minor >= 4);
}

function slow(latencyMs: number): FixableFinding {
  return {
    code: "etcd-access.slow",
    severity: "warning",
    what: `A round trip to etcd takes ${latencyMs.toFixed(0)} ms, and a name is lost ${TTL_MS / 1_000} s after its last heartbeat where no other TTL is set.`,
    means: "In trouble, heartbeats may come too late, and holders lose their names.",
    remedy: "Look at the members' disks and at the network, or take a longer TTL.",
  };
}

function longLeases(seconds: number): FixableFinding {
  return {
    code: "etcd-leases.long",
    severity: "warning",
    what: `etcd gives no lease that is shorter than ${seconds} s.`,
    means: "The names of a process that has died are free only after that time.",
    remedy: "Set its --election-timeout lower: the shortest lease lasts one and a half times as long.",
  };
}

function unusable({ code, message }: NameholdError, check = "etcd-access"): FixableFinding {
  return {
    code: `${check}.${code}`,
    severity: "problem",
    what: message,
    means: "No name of this registry can be claimed.",
    remedy: "Do what that says, and look again.",
  };
}

function alarmRaised(kind: string): FixableFinding {
  return {
    code: `etcd-alarms.${kind.toLowerCase()}`,
    severity: "problem",
    what: `etcd has raised the alarm ${kind}.`,
    means: kind === "NOSPACE" ? "Its space is used up: nothing can be written." : "Its data may be damaged.",
    remedy:
      kind === "NOSPACE"
        ? "Compact and defragment it, then disarm the alarm (etcdctl compact, defrag, alarm disarm), or raise its quota."
        : "See what etcd's documentation says of this alarm before anything is written.",
  };
}
