import type { ConnectOptions } from "../peers/peer.ts";
import type { ServerKind } from "../servers/server.ts";

/** The least that a kind of lock can cost on this machine, without the lock. */
export interface Calibration {
  readonly id: string;
  readonly title: string;
  readonly what: string;
  readonly needs?: ServerKind;
  locate(directory: string, serverUrl: string): string;
  start(options: ConnectOptions): Promise<Bare>;
}

export interface Bare {
  /** One operation, synchronously where the thing itself is. */
  run(name: string): void | Promise<void>;
  readonly fill?: (population: number) => void | Promise<void>;
  close(): void | Promise<void>;
}
