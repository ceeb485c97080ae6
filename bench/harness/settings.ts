/** How much is measured. A full run takes less than twenty minutes on two cores, a quick one less than two. */
export interface Settings {
  readonly kind: "full" | "quick";
  readonly rounds: number;
  readonly roundMs: number;
  readonly warmUpMs: number;
  /** The largest population of names that is made. */
  readonly populationMax: number;
  /** At most so many hand-offs a row, and no longer than that. */
  readonly handOffs: number;
  /** However long one takes. */
  readonly handOffsMin: number;
  readonly handOffsForMs: number;
  /** Whether many waiters are measured too, and many processes with names of their own. */
  readonly crowds: boolean;
  readonly crowdForMs: number;
  readonly takeovers: number;
  /** Whether the usual times of the peers, up to 30 s, are waited for. */
  readonly waitsForUsualTtl: boolean;
  readonly increments: number;
  readonly contentionForMs: number;
  /** Heartbeats that a target's names must survive, and that other rows are watched for. */
  readonly targetBeats: number;
  readonly otherBeats: number;
  readonly namesHeldMax: number;
  readonly manyProcesses: ManyProcesses;
  readonly startUps: number;
  readonly installs: boolean;
}

export interface Crowded {
  readonly holders: number;
  readonly namesEach: number;
}

/** Processes that one generator simulates on an engine. */
export interface ManyProcesses {
  readonly postgres: Crowded;
  readonly etcd: Crowded;
  readonly ttlMs: number;
  readonly heartbeatMs: number;
  readonly forMs: number;
  /** And then for so long as fast as it goes. */
  readonly flatOutForMs: number;
}

export const FULL: Settings = {
  kind: "full",
  rounds: 10,
  roundMs: 200,
  warmUpMs: 400,
  populationMax: 1_000_000,
  handOffs: 150,
  handOffsMin: 4,
  handOffsForMs: 2_500,
  crowds: true,
  crowdForMs: 1_000,
  takeovers: 20,
  waitsForUsualTtl: true,
  increments: 200,
  contentionForMs: 10_000,
  targetBeats: 360,
  otherBeats: 5,
  namesHeldMax: 100_000,
  manyProcesses: {
    postgres: { holders: 10_000, namesEach: 100 },
    etcd: { holders: 10_000, namesEach: 1 },
    ttlMs: 30_000,
    heartbeatMs: 10_000,
    forMs: 20_000,
    flatOutForMs: 3_000,
  },
  startUps: 15,
  installs: true,
};

export const QUICK: Settings = {
  kind: "quick",
  rounds: 3,
  roundMs: 60,
  warmUpMs: 100,
  populationMax: 10_000,
  handOffs: 20,
  handOffsMin: 2,
  handOffsForMs: 500,
  crowds: false,
  crowdForMs: 400,
  takeovers: 3,
  waitsForUsualTtl: false,
  increments: 20,
  contentionForMs: 1_500,
  targetBeats: 8,
  otherBeats: 2,
  namesHeldMax: 2_000,
  manyProcesses: {
    postgres: { holders: 200, namesEach: 20 },
    etcd: { holders: 50, namesEach: 2 },
    ttlMs: 6_000,
    heartbeatMs: 2_000,
    forMs: 4_000,
    flatOutForMs: 500,
  },
  startUps: 3,
  installs: false,
};
