/** A store's servers on the hosts, as far as a campaign needs to know them. */
export interface Engine {
  /** Where clients connect to on a host that has a server. */
  readonly port: number;
  /** What clients connect to: `ADDRESS:PORT`. */
  readonly endpoints: readonly string[];
  /** What passes between clients and servers. */
  readonly protocol: "tcp" | "http";
  /** Where a registry is, as `openRegistry` takes it, for clients that reach the servers by these endpoints. */
  locationOf(registry: string, endpoints: readonly string[]): string;
  /** Hosts with a server: first the one that leads at present, as far as that can be known. */
  serverHosts(): Promise<readonly string[]>;
  /** Whether clients are served who reach the servers on these hosts alone, when those reach no others. */
  serves(hosts: readonly string[]): boolean;
  kill(host: string): Promise<void>;
  restart(host: string): Promise<void>;
  pause(host: string): void;
  resume(host: string): void;
  /** Sets a server's wall clock to the true time plus so much. Absent where it cannot be faked. */
  stepClock?(host: string, offsetSeconds: number): void;
  /** Waits until the replica has all that is acknowledged now. */
  replicaCaughtUp?(): Promise<void>;
  /** Kills the primary for good and lets its replica take over. Absent where no operator has to do that. */
  failOver?(): Promise<void>;
  /** Gives the new primary a replica, where the old one was. */
  rebuildReplica?(): Promise<void>;
  /** Whether all servers that answer by themselves hold the same, now that nothing is written any more. */
  membersAgree?(): Promise<boolean>;
  stop(): Promise<void>;
}
