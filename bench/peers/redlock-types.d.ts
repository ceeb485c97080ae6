/** redlock's `exports` hide its types from a compiler that follows them. What is used here. */
declare module "redlock" {
  export class Lock {
    release(): Promise<unknown>;
    extend(durationMs: number): Promise<Lock>;
  }
  interface Settings {
    readonly retryCount: number;
    readonly retryDelay: number;
    readonly retryJitter: number;
  }
  export default class Redlock {
    constructor(clients: readonly unknown[], settings?: Partial<Settings>);
    acquire(resources: readonly string[], durationMs: number): Promise<Lock>;
    quit(): Promise<void>;
  }
}
