import { type Command, InvalidArgumentError, Option } from "commander";
import { COMPONENT_TYPES, type ComponentType } from "../../core/entry.js";
import { isNameholdError, RegistryLockError } from "../../core/errors.js";
import { quoteName } from "../../core/name.js";
import { systemClock } from "../../platform/clock.js";
import { tellServiceManager } from "../../platform/service-manager.js";
import type { WaitInfo } from "../../registry/acquire.js";
import type { Claim } from "../../registry/claim.js";
import type { Registry } from "../../registry/registry.js";
import { defineCommand, type GlobalOptions, UsageError, withRegistry } from "../command-definition.js";
import { parseDuration } from "../duration.js";
import { displayTime, tell, tellWithoutWaiting } from "../output.js";
import { checkCommand } from "../run/command-lookup.js";
import { holdCommand } from "../run/hold-command.js";
import { SignalForwarding, signalStatus } from "../run/signal-forwarding.js";

interface RunOptions extends GlobalOptions {
  readonly type?: ComponentType;
  readonly wait?: number;
  readonly ttl: number;
}

/** What a name is registered as when nothing is said. The reference's default too. */
const TYPE_DEFAULT: ComponentType = "node";
const TTL_MS_MIN = 1_000;
const TTL_MS_DEFAULT = 30_000;
const HEARTBEATS_PER_TTL = 3;

const DESCRIPTION = [
  "Hold a name while a command runs. A name that does not exist is made, with a new ID.",
  "The command finds name, ID and token in its environment, and gets the signals that this process gets. When the lock is lost, it is ended in time: SIGTERM first, SIGKILL before anybody else can hold the name. When it has ended, what it started and left behind is ended too, and the name is released. When this process itself is killed or stopped, the command is ended in time all the same.",
  "It runs in a session of its own: it reads the terminal's input and gets its signals, but has no controlling terminal (no /dev/tty, no job control). To outlive a closed terminal, start namehold with setsid or as a service (docs/service.md); nohup does not keep Node.js alive.",
  "The exit status is the command's own, or 128 and the number of the signal that ended it. Where this process fails before the command starts, or the name is lost, it is one of namehold's; then a message on standard error says why.",
  "Durations are written 500ms, 60s, 5m or 1h.",
].join("\n\n");

/** @param argv as `process.argv`: commander does not tell where the dashes stood */
export function addRunCommand(program: Command, argv: readonly string[]): void {
  defineCommand(program, {
    usage: "run <name> [command...]",
    summary: "hold a name while a command runs",
    description: DESCRIPTION,
    argumentTexts: {
      name: "the name to hold; one that begins with a dash goes behind dashes: run -- -NAME -- COMMAND",
      command: "the command and its arguments, behind --; no shell is between",
    },
    examples: [
      "namehold run liquidhandler_1 --type node -- python3 liquidhandler.py",
      `namehold run nightly --wait 10m -- sh -c 'echo "$NAMEHOLD_NAME is $NAMEHOLD_ID, token $NAMEHOLD_TOKEN"'`,
    ],
    environment: [
      ["NAMEHOLD_NAME", "given to the command: the name"],
      ["NAMEHOLD_ID", "given to the command: the name's permanent ID"],
      ["NAMEHOLD_TOKEN", "given to the command: the fencing token, to be shown to the resources that it uses"],
      ["NAMEHOLD_CHAIN", "given to the command: marks by which its processes are found when they must be ended"],
      ["NOTIFY_SOCKET", "where systemd is told that the command has been started; the command does not get it"],
    ],
    failures: ["held", "wait-timeout", "lost", "type-mismatch"],
    otherStatuses: [
      ["126", "the command could not be started: it is not executable, for example"],
      ["127", "there is no such command"],
      ["128+n", "the command, or the wait for the name, was ended by signal n"],
      ["other", "the command's own"],
    ],
  })
    .usage("<name> [options] -- <command> [arguments...]")
    .addOption(
      new Option("-t, --type <type>", `what the component is (a new name is a ${TYPE_DEFAULT} if not said)`).choices(
        COMPONENT_TYPES,
      ),
    )
    .option("--wait <duration>", "wait so long at most for a name that is held (default: do not wait)", parseDuration)
    .addOption(
      new Option("--ttl <duration>", "how long the lock outlives a sign of life of its holder")
        .argParser(parseTtl)
        .default(TTL_MS_DEFAULT, "30s"),
    )
    .action(async (_name: string, _command: string[], _options: unknown, self: Command) => {
      const [name, command] = nameAndCommand(self, argv);
      checkCommand(command[0] ?? "");
      process.exitCode = await run(name, command, self.optsWithGlobals<RunOptions>());
    });
}

function parseTtl(text: string): number {
  const ms = parseDuration(text);
  if (ms < TTL_MS_MIN) throw new InvalidArgumentError("At least 1s: the command must be told and ended within it.");
  return ms;
}

/**
 * `NAME -- COMMAND`, or `-- -NAME -- COMMAND` for a name that looks like an option. Without the dashes it is refused:
 * an option of the command's would be taken for one of ours.
 */
function nameAndCommand(self: Command, argv: readonly string[]): readonly [string, readonly string[]] {
  const args = self.args;
  const dashes = argv.indexOf("--");
  const afterDashes = dashes === -1 ? 0 : argv.length - dashes - 1;
  const [name = "", ...rest] = args;
  const command = afterDashes === args.length && rest[0] === "--" ? rest.slice(1) : rest;
  const isClear = afterDashes === args.length - 1 || command.length < rest.length;
  if (!isClear) throw new UsageError("Put -- between the name and the command", self);
  if (command.length === 0) throw new UsageError("The command is missing: NAME -- COMMAND", self);
  return [name, command];
}

async function run(name: string, command: readonly string[], options: RunOptions): Promise<number> {
  using signals = new SignalForwarding(systemClock, () =>
    tellWithoutWaiting(
      "The command is paused, and the name stays held. SIGCONT to this process goes on; Ctrl-C ends it.",
    ),
  );
  const timing = { lockTtlMs: options.ttl, heartbeatIntervalMs: Math.floor(options.ttl / HEARTBEATS_PER_TTL) };
  try {
    return await withRegistry(
      options,
      (registry) => claimAndHold(registry, { name, command, options, signals }),
      timing,
    );
  } catch (error) {
    if (signals.cancelledBy !== undefined && isNameholdError(error, "aborted"))
      return signalStatus(signals.cancelledBy);
    throw error;
  }
}

interface RunRequest {
  readonly name: string;
  readonly command: readonly string[];
  readonly options: RunOptions;
  readonly signals: SignalForwarding;
}

async function claimAndHold(registry: Registry, request: RunRequest): Promise<number> {
  const { store, lockManager } = registry;
  const claim = await claimName(registry, request);
  return holdCommand(claim, request.command, {
    ttlMs: request.options.ttl,
    presenceFd: store.presenceDescriptor?.(lockManager.holder),
    signals: request.signals,
    clock: systemClock,
    tell: tellWithoutWaiting,
  });
}

async function claimName(registry: Registry, { name, options, signals }: RunRequest): Promise<Claim> {
  try {
    return await registry.claim(name, {
      type: options.type ?? TYPE_DEFAULT,
      allowTypeMismatch: options.type === undefined,
      waitMs: options.wait ?? 0,
      signal: signals.cancelled,
      onWait: (info) => {
        const text = waitingText(info);
        tell(text);
        tellServiceManager(text);
      },
    });
  } catch (error) {
    if (!isNameholdError(error, "held") || options.wait !== undefined) throw error;
    throw new RegistryLockError("held", `${error.message} To wait for it, use --wait 60s.`, {
      ...error.details,
      cause: error,
    });
  }
}

function waitingText({ name, heldBy, since, ahead }: WaitInfo): string {
  const holder =
    heldBy === null
      ? "free, and kept for an earlier waiter"
      : `held by ${heldBy.host} (PID ${heldBy.pid})${since === null ? "" : ` since ${displayTime(since)}`}`;
  const queue = ahead === 0 ? "" : `; ${ahead} waiting before this one`;
  return `Waiting for ${quoteName(name)}: ${holder}${queue}.`;
}
