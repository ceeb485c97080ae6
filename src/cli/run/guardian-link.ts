import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { NameholdError } from "../../core/errors.js";
import type { Clock, MonotonicMs } from "../../core/timing.js";
import { tellsInJson } from "../output.js";
import { type ProcessRef, processRef, thisProcess } from "./command-members.js";
import { eachLine, type ToGuardian } from "./guardian-protocol.js";

export interface GuardianOptions {
  readonly name: string;
  readonly mark: string;
  readonly ttlMs: number;
  readonly deadline: () => MonotonicMs;
  readonly presenceFd: number | undefined;
  /** Whether another can be started when the command runs. */
  readonly canBeReplaced: boolean;
  readonly clock: Clock;
  /** A process that has the presence descriptor, and is none of the command's. */
  readonly onStarted: (guardian: ProcessRef) => void;
  /** The guardian ends the command by itself: it heard nothing from us in time. */
  readonly onEnding: () => void;
  /** There is no guardian any more, and none can be kept. */
  readonly onGone: (error: NameholdError) => void;
}

type GuardianProcess = ChildProcess & { readonly stdin: Writable; readonly stdout: Readable };

/** How long a guardian has to say that it is ready. */
const READY_MS = 10_000;
/** One that dies sooner than this would die again. */
const LIFE_MS_MIN = 1_000;
const GUARDIAN_PATH = fileURLToPath(new URL("../guardian.js", import.meta.url));

/** The side of `run`: starts the guardian, starts another when it dies, and gives it signs of life. */
export class GuardianLink {
  readonly #options: GuardianOptions;
  #guardian: GuardianProcess | undefined;
  #command: Extract<ToGuardian, { readonly kind: "command" }> | undefined;
  #killAt: MonotonicMs | undefined;
  #isDone = false;

  private constructor(options: GuardianOptions) {
    this.#options = options;
  }

  /** @throws NameholdError `unsupported` when no guardian could be started */
  static async start(options: GuardianOptions): Promise<GuardianLink> {
    const link = new GuardianLink(options);
    await link.#start();
    return link;
  }

  command(leader: ProcessRef, bystanders: readonly ProcessRef[]): void {
    this.#command = { kind: "command", leader, bystanders };
    this.#tell(this.#command);
  }

  alive(deadline: MonotonicMs): void {
    this.#tell({ kind: "alive", deadline });
  }

  ending(killAt: MonotonicMs): void {
    this.#killAt = killAt;
    this.#tell({ kind: "ending", killAt });
  }

  /** The guardian leaves. Idempotent. */
  done(): void {
    if (this.#isDone) return;
    this.#tell({ kind: "done" });
    this.#isDone = true;
    this.#guardian?.stdin.end();
  }

  async #start(): Promise<void> {
    const { name, mark, ttlMs, clock, deadline } = this.#options;
    const startedAt = clock.monotonicMs();
    const guardian = spawnGuardian(this.#options.presenceFd);
    guardian.once("exit", () => this.#exited(startedAt));
    this.#guardian = guardian;
    const ready = whenReady(guardian, this.#options.onEnding);
    if (guardian.pid !== undefined) this.#options.onStarted(processRef(guardian.pid));
    this.#tell({ kind: "guard", name, mark, ttlMs, deadline: deadline(), run: thisProcess() });
    if (this.#command !== undefined) this.#tell(this.#command);
    if (this.#killAt !== undefined) this.#tell({ kind: "ending", killAt: this.#killAt });
    await ready;
  }

  #exited(startedAt: MonotonicMs): void {
    if (this.#isDone) return;
    if (this.#command !== undefined && !this.#options.canBeReplaced) {
      this.#options.onGone(noGuardian("it has ended"));
      return;
    }
    if (this.#options.clock.monotonicMs() - startedAt < LIFE_MS_MIN) {
      this.#options.onGone(noGuardian("it does not stay alive"));
      return;
    }
    this.#start().catch((error: unknown) => this.#options.onGone(noGuardian("it cannot be started anew", error)));
  }

  #tell(message: ToGuardian): void {
    if (!this.#isDone) this.#guardian?.stdin.write(`${JSON.stringify(message)}\n`);
  }
}

function spawnGuardian(presenceFd: number | undefined): GuardianProcess {
  const args = [...(presenceFd === undefined ? [] : ["--presence"]), ...(tellsInJson() ? ["--json"] : [])];
  const guardian = spawn(process.execPath, [GUARDIAN_PATH, ...args], {
    cwd: "/",
    detached: true,
    env: guardianEnvironment(),
    stdio: ["pipe", "pipe", "inherit", ...(presenceFd === undefined ? [] : [presenceFd])],
  }) as GuardianProcess;
  // A write to a dead guardian fails; its `exit` tells of that.
  guardian.stdin.on("error", () => {});
  return guardian;
}

/** Without options for Node that the caller has for himself, and without the marks of an outer `namehold run`. */
function guardianEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([key]) => key !== "NODE_OPTIONS" && !key.startsWith("NAMEHOLD_"));
  return Object.fromEntries(kept);
}

async function whenReady(guardian: GuardianProcess, onEnding: () => void): Promise<void> {
  const controller = new AbortController();
  const ready = new Promise<void>((resolve) => {
    const hear = eachLine((line) => (line === "ready" ? resolve() : onEnding()));
    guardian.stdout.setEncoding("utf8").on("data", hear);
  });
  const failed = once(guardian, "exit", { signal: controller.signal }).then(() => {
    throw noGuardian("it ended at once");
  });
  const late = AbortSignal.timeout(READY_MS);
  const tooLate = once(late, "abort", { signal: controller.signal }).then(() => {
    throw noGuardian("it did not get ready in time");
  });
  try {
    await Promise.race([ready, failed, tooLate]);
  } finally {
    for (const loser of [failed, tooLate]) loser.catch(() => {});
    controller.abort();
  }
}

function noGuardian(why: string, cause?: unknown): NameholdError {
  const message = `The guardian process that ends the command should this process be killed is missing: ${why}.`;
  return new NameholdError("unsupported", message, { cause });
}
