import { type ChildProcess, execFile, type StdioOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const COMMAND_TIMEOUT_MS = 20_000;

/** A sentence that the keeper says when its namespaces are ready. */
const READY = "ready";

/**
 * A host as far as the network can tell: a network namespace and a host name of its own. Both last as long as a process
 * is in them. The first is a keeper that waits for the end of its stdin, so that nothing is left when the run is killed
 * from outside; the namespaces have no names on the machine, so two runs cannot meet.
 */
export class Host implements AsyncDisposable {
  readonly name: string;
  readonly #keeper: ChildProcess;
  readonly pid: number;

  private constructor(name: string, keeper: ChildProcess, pid: number) {
    this.name = name;
    this.#keeper = keeper;
    this.pid = pid;
  }

  static async start(name: string): Promise<Host> {
    const script = `hostname "$0" && ip link set lo up && echo ${READY} && exec cat`;
    // In a session of its own: Ctrl-C in a terminal is for the run alone, which then ends the rest in order.
    const keeper = spawn("unshare", ["--net", "--uts", "sh", "-c", script, name], {
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
    let said = "";
    keeper.stderr?.on("data", (data: Buffer) => {
      said += data.toString();
    });
    const lines = createInterface({ input: keeper.stdout });
    const [word] = await Promise.race([once(lines, "line"), once(keeper, "exit")]);
    if (word !== READY || keeper.pid === undefined) {
      throw new Error(`A network namespace cannot be made here: ${said.trim() || "unshare failed"}`);
    }
    return new Host(name, keeper, keeper.pid);
  }

  /**
   * Put before a command, runs it on this host. It becomes the command, whose process ID is the one that was started, and
   * dies with whoever started it.
   */
  get prefix(): readonly string[] {
    return ["nsenter", "--target", String(this.pid), "--net", "--uts", "setpriv", "--pdeathsig", "KILL", "--"];
  }

  /** Starts a program that goes on. */
  spawn(command: readonly string[], options: { readonly cwd?: string; readonly stdio: StdioOptions }): ChildProcess {
    const [file, ...args] = [...this.prefix, ...command];
    return spawn(file ?? "", args, { ...options, detached: true });
  }

  /** Runs a command to its end; answers with what it wrote. */
  async run(...command: readonly string[]): Promise<string> {
    return this.runWithInput("", ...command);
  }

  async runWithInput(input: string, ...command: readonly string[]): Promise<string> {
    const [file, ...args] = [...this.prefix, ...command];
    const running = promisify(execFile)(file ?? "", args, { timeout: COMMAND_TIMEOUT_MS, killSignal: "SIGKILL" });
    running.child.stdin?.on("error", () => undefined);
    running.child.stdin?.end(input);
    return (await running).stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#keeper.exitCode !== null || this.#keeper.signalCode !== null) return;
    const ended = once(this.#keeper, "exit");
    this.#keeper.stdin?.end();
    await ended;
  }
}
