import { fileURLToPath } from "node:url";
import { JsonLineProcess } from "./json-line-process.js";

export interface NameholdOptions {
  /** The registry file; `null` lets namehold find it from `cwd` and `env`. */
  readonly path: string | null;
  readonly lockTtlMs?: number;
  readonly heartbeatIntervalMs?: number;
  readonly fileLockTimeoutMs?: number;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export interface ClaimOptions {
  readonly waitMs?: number;
  readonly metadata?: object;
}

export interface ClaimState {
  readonly held: boolean;
  readonly aborted: boolean;
  /** `code` of the error that the signal was aborted with. */
  readonly code: string | null;
  /** The loss as the claim tells it. */
  readonly loss: {
    readonly reason: string;
    readonly by?: { readonly pid: number };
    readonly renamedTo?: string;
  } | null;
  readonly lostEvents: number;
  readonly jeopardies: number;
}

/** A namehold node in a process of its own (namehold-driver.ts), on the node that runs the tests. */
export class NameholdNode implements AsyncDisposable {
  readonly process: JsonLineProcess;
  readonly path: string;

  private constructor(driven: JsonLineProcess, path: string) {
    this.process = driven;
    this.path = path;
  }

  static async start(options: NameholdOptions): Promise<NameholdNode> {
    const { path, cwd, env, ...registryOptions } = options;
    const driven = await JsonLineProcess.spawn({
      command: process.execPath,
      args: [fileURLToPath(new URL("namehold-driver.ts", import.meta.url))],
      cwd,
      env,
    });
    const opened = await driven.call<{ path: string }>("open", { path: path ?? undefined, options: registryOptions });
    return new NameholdNode(driven, opened.path);
  }

  get pid(): number {
    return this.process.pid;
  }

  claim(name: string, options: ClaimOptions = {}): Promise<{ readonly id: string; readonly token: number }> {
    return this.process.call("claim", { name, options });
  }

  claimState(name: string): Promise<ClaimState> {
    return this.process.call("claim_state", { name });
  }

  release(name: string): Promise<null> {
    return this.process.call("release", { name });
  }

  resolve(name: string): Promise<string> {
    return this.process.call("resolve", { name });
  }

  lookup(name: string): Promise<string | null> {
    return this.process.call("lookup", { name });
  }

  countUp(name: string, times: number): Promise<{ readonly counter: number; readonly ids: readonly string[] }> {
    return this.process.call("count_up", { name, times });
  }

  contend(name: string, seconds: number): Promise<{ readonly rounds: number }> {
    return this.process.call("contend", { name, seconds });
  }

  contendForever(name: string): Promise<null> {
    return this.process.call("contend_forever", { name });
  }

  /** Looks known names up until `seconds` are over; answers what was wrong. */
  lookUpForSeconds(
    ids: Readonly<Record<string, string>>,
    seconds: number,
  ): Promise<{ readonly lookups: number; readonly wrong: readonly string[] }> {
    return this.process.call("look_up_for_seconds", { ids, seconds });
  }

  importEntries(data: string, options: { readonly merge?: boolean } = {}): Promise<unknown> {
    return this.process.call("import", { data, options });
  }

  export(): Promise<{ readonly entries: Readonly<Record<string, { readonly id: string }>> }> {
    return this.process.call("export");
  }

  kill(): Promise<void> {
    return this.process.kill();
  }

  stop(): Promise<number | null> {
    return this.process.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process.kill();
  }
}
