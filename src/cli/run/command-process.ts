import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { CHAIN_VARIABLE, commandMark, marksOf } from "./command-mark.js";

export interface CommandEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface CommandOptions {
  readonly name: string;
  readonly id: string;
  readonly token: number;
  readonly presenceFd: number | undefined;
  /** Whether it gets a session of its own, and the presence descriptor. */
  readonly isSession: boolean;
  /** Called in the step that has started it. */
  readonly onStarted: (pid: number) => void;
}

/** A command that was started. `ended` never rejects. */
export interface StartedCommand {
  readonly pid: number;
  readonly ended: Promise<CommandEnd>;
}

/** A command that could not be started, with the exit status that a shell gives for that. */
export class CommandNotStarted extends Error {
  override readonly name = "CommandNotStarted";
  readonly exitStatus: 126 | 127;

  constructor(exitStatus: 126 | 127, message: string, cause: unknown) {
    super(message, { cause });
    this.exitStatus = exitStatus;
  }
}

/**
 * Starts the command on the caller's standard streams, and where it is to be a session, in a session and process group
 * of its own, with the presence descriptor.
 *
 * @throws CommandNotStarted
 */
export async function startCommand(command: readonly string[], options: CommandOptions): Promise<StartedCommand> {
  const [file = "", ...args] = command;
  const { isSession, presenceFd } = options;
  try {
    const child = spawn(file, args, {
      detached: isSession,
      env: commandEnvironment(process.env, options),
      stdio: ["inherit", "inherit", "inherit", ...(isSession && presenceFd !== undefined ? [presenceFd] : [])],
    });
    if (child.pid !== undefined) options.onStarted(child.pid);
    const ended = whenEnded(child);
    await once(child, "spawn");
    return { pid: child.pid as number, ended };
  } catch (error) {
    throw notStarted(file, error);
  }
}

/**
 * The caller's environment. Of namehold's own variables only what the command is meant to have: no token of a lab
 * server, and nothing of an outer `namehold run` but its mark. Nor the service manager's socket, at which `run` speaks.
 */
function commandEnvironment(env: NodeJS.ProcessEnv, { name, id, token }: CommandOptions): NodeJS.ProcessEnv {
  const theirs = Object.entries(env).filter(([key]) => !key.startsWith("NAMEHOLD_") && key !== "NOTIFY_SOCKET");
  return {
    ...Object.fromEntries(theirs),
    NAMEHOLD_NAME: name,
    NAMEHOLD_ID: id,
    NAMEHOLD_TOKEN: String(token),
    [CHAIN_VARIABLE]: [...marksOf(env[CHAIN_VARIABLE]), commandMark(id, token)].join(" "),
  };
}

function whenEnded(child: ChildProcess): Promise<CommandEnd> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
}

/** @param cause an error with an errno name */
export function notStarted(file: string, cause: unknown): CommandNotStarted {
  const code = (cause as NodeJS.ErrnoException).code;
  const command = JSON.stringify(file);
  if (code === "ENOENT") {
    return new CommandNotStarted(127, `There is no command ${command}. Check its spelling and PATH.`, cause);
  }
  const why = code === "EACCES" ? "it is not executable for this user" : (cause as Error).message;
  return new CommandNotStarted(126, `The command ${command} could not be started: ${why}.`, cause);
}
