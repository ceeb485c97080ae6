/**
 * What the coordinator asks of a worker process: one JSON line a request, `{id, command, args}`; one line an answer,
 * `{id, result}` or `{id, error}`, in any order. `peers/madsci_worker.py` speaks it too.
 *
 * Moments are nanoseconds of the machine's monotonic clock, which all processes share, as decimal strings.
 */
export interface Commands {
  /** Makes the subject ready. First of all. */
  open: { args: OpenArgs; result: { versions: Readonly<Record<string, string>> } };
  /** From now until `close`, a CPU profile is taken and then written to the path. */
  profile: { args: { path: string }; result: null };
  /** Makes the names of a population where the store keeps names. */
  fill: { args: { population: number }; result: null };
  measure: { args: MeasureArgs; result: Measured };
  /** Answers when the name is granted. `as` names the grip for `release`. */
  acquire: { args: { name: string; as: string }; result: { grantedNs: string } };
  release: { args: { as: string }; result: { sentNs: string } };
  /** Takes `count` names and keeps them. */
  hold: { args: HoldArgs; result: { tookMs: number } };
  /** How many of the names taken by `hold` are still this process's. */
  held: { args: Empty; result: { held: number } };
  usage: { args: Empty; result: Usage };
  /** Increments a number in a file under the lock, again and again. */
  increment: { args: IncrementArgs; result: Incremented };
  /** Participants take the name in turn, as often as they can, and note when. */
  chain: { args: ChainArgs; result: { links: readonly Link[] } };
  /** Holders that this process simulates, each with names of its own, take them and begin to beat. */
  gather: { args: GatherArgs; result: { tookMs: number } };
  /** What became of the beats of those holders in so long a time. */
  beats: { args: BeatsArgs; result: Beats };
  close: { args: Empty; result: null };
}

export type Empty = Readonly<Record<string, never>>;
export type CommandName = keyof Commands;
export type Args<C extends CommandName> = Commands[C]["args"];
export type Result<C extends CommandName> = Commands[C]["result"];

export interface OpenArgs {
  readonly subject: string;
  readonly location: string;
  /** Where the peer has such times; its own defaults when not given. */
  readonly ttlMs?: number;
  readonly heartbeatMs?: number;
}

export interface HoldArgs {
  readonly count: number;
  /** How many are asked for at once. */
  readonly concurrency: number;
}

export interface GatherArgs {
  readonly holders: number;
  readonly namesEach: number;
  readonly ttlMs: number;
  readonly heartbeatMs: number;
  /** How many names a change takes. */
  readonly namesPerChange: number;
  /** How many take their names at once. */
  readonly concurrency: number;
}

export interface BeatsArgs {
  readonly forMs: number;
  /** Each holder in its time, or one after the other as fast as it goes. */
  readonly pace: "in time" | "flat out";
}

export interface Beats {
  /** Those that were answered. */
  readonly answered: number;
  readonly failed: number;
  /** Names whose loss was told, or whose holder was without an answer until its deadline. */
  readonly lost: number;
  /** From the moment at which a beat was due to its answer. */
  readonly lateMs: { readonly median: number; readonly p99: number; readonly max: number };
  readonly elapsedMs: number;
}

/** `claim` is an acquire whose release is not measured. */
export type Operation = "pair" | "claim" | "lookup" | "resolve";

export interface MeasureArgs {
  readonly operation: Operation;
  readonly forMs: number;
  readonly population: number;
  /** How many operations are under way at once. */
  readonly concurrency: number;
}

export interface Measured {
  /** At most SAMPLES_MAX of them, evenly taken. */
  readonly samplesUs: readonly number[];
  readonly operations: number;
  readonly elapsedMs: number;
}

export interface Usage {
  readonly cpuUs: number;
  /** Bytes that this process caused to be written to the disk (/proc/self/io), or null where that is not told. */
  readonly writtenBytes: number | null;
  readonly atNs: string;
}

export interface IncrementArgs {
  readonly name: string;
  readonly times: number;
  /** No counter when null: the names are then each process's own. */
  readonly counterPath: string | null;
  /** How long to stay between the reading and the writing: a lock that does not exclude is then found out. */
  readonly dwellMs: number;
  readonly startAtNs: string;
  /** After this moment nothing new is begun. */
  readonly stopAtNs: string;
}

export interface Incremented {
  readonly waitsMs: readonly number[];
  readonly endedNs: string;
}

export interface ChainArgs {
  readonly name: string;
  readonly participants: number;
  readonly startAtNs: string;
  readonly stopAtNs: string;
}

/** One time with the name: asked for it, was given it, was about to give it back. */
export interface Link {
  readonly participant: number;
  readonly askedNs: string;
  readonly grantedNs: string;
  readonly sentNs: string;
}

export interface Request<C extends CommandName = CommandName> {
  readonly id: number;
  readonly command: C;
  readonly args: Args<C>;
}

export type Reply = { readonly id: number; readonly result: unknown } | { readonly id: number; readonly error: string };

export const SAMPLES_MAX = 5_000;

export function nameAt(index: number): string {
  return `robot_arm_${index}`;
}
