import { type FSWatcher, watch } from "node:fs";
import { basename, dirname } from "node:path";
import type { Clock, Timer } from "../../core/timing.js";
import { resolveLinks } from "../../platform/real-path.js";
import { DeathWatch } from "../machine/death-watch.js";
import type { RegistryFile } from "./registry-file.js";
import { type WatchedState, watchedState } from "./watched-state.js";
import type { View } from "./work.js";

/** Where the kernel tells of changes, a look now and then is for what it cannot tell (another machine's writes). */
const LOOK_MS = 500;
const LOOK_MS_UNTOLD = 25;

interface Subscriber {
  readonly names: readonly string[] | undefined;
  seen: WatchedState | undefined;
  readonly wake: () => void;
}

/**
 * Tells waiters of changes: the kernel watches the registry's directory and the sidecar's, for Python's writes as for
 * ours; the deaths of the holders that are waited for are seen by trying their presence locks.
 *
 * One watch for all waiters of the process, and none when there is none.
 */
export class FileWatch {
  readonly #file: RegistryFile;
  readonly #clock: Clock;
  readonly #subscribers = new Set<Subscriber>();
  readonly #closing = new AbortController();
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #deaths: DeathWatch;
  #lookTimer: Timer | undefined;
  #looking: Promise<void> | undefined;
  #lookAgain = false;

  constructor(file: RegistryFile, clock: Clock) {
    this.#file = file;
    this.#clock = clock;
    this.#deaths = new DeathWatch(clock, file.files.holdersDirectory, () => this.#tellDeath());
  }

  async *changes(names: readonly string[] | undefined, signal: AbortSignal): AsyncIterable<null> {
    const ends = AbortSignal.any([signal, this.#closing.signal]);
    let changed = true;
    let wake = (): void => undefined;
    const subscriber: Subscriber = {
      names,
      seen: undefined,
      wake: () => {
        changed = true;
        wake();
      },
    };
    const onEnd = (): void => wake();
    ends.addEventListener("abort", onEnd);
    this.#subscribe(subscriber);
    try {
      while (!ends.aborted) {
        if (!changed) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          continue;
        }
        changed = false;
        yield null;
      }
    } finally {
      ends.removeEventListener("abort", onEnd);
      this.#unsubscribe(subscriber);
    }
  }

  /** Ends all watches, and the look that may be under way. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#looking;
  }

  #subscribe(subscriber: Subscriber): void {
    this.#subscribers.add(subscriber);
    if (this.#subscribers.size === 1) this.#start();
    this.#look();
  }

  #unsubscribe(subscriber: Subscriber): void {
    this.#subscribers.delete(subscriber);
    if (this.#subscribers.size > 0) return;
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
    this.#lookTimer?.cancel();
    this.#deaths.stop();
  }

  #start(): void {
    this.#watchDirectories();
    this.#scheduleLook();
    this.#deaths.start();
  }

  /** Those that are not watched: at first, and when a directory was not there yet. */
  #watchDirectories(): void {
    const { path, holdersDirectory, sidecarPath } = this.#file.files;
    const real = resolveLinks(path);
    this.#watchDirectory(dirname(real), basename(real));
    this.#watchDirectory(holdersDirectory, basename(sidecarPath));
  }

  #watchDirectory(directory: string, file: string): void {
    if (this.#watchers.has(directory)) return;
    try {
      const watcher = watch(directory, { persistent: false }, (_event, changed) => {
        if (changed === null || changed === file) this.#look();
      });
      watcher.on("error", () => {
        watcher.close();
        this.#watchers.delete(directory);
      });
      this.#watchers.set(directory, watcher);
    } catch {
      // No such directory yet, or the user's watches are used up: the look now and then has to do.
    }
  }

  #scheduleLook(): void {
    const delayMs = this.#watchers.size === 2 ? LOOK_MS : LOOK_MS_UNTOLD;
    this.#lookTimer = this.#clock.setTimer(
      delayMs,
      () => {
        if (this.#watchers.size < 2) this.#watchDirectories();
        this.#look();
        this.#scheduleLook();
      },
      { background: true },
    );
  }

  /** Looks at the files and wakes those whose names have changed. What comes meanwhile is looked at right after. */
  #look(): void {
    this.#lookAgain = true;
    this.#looking ??= this.#lookWhileAsked();
  }

  async #lookWhileAsked(): Promise<void> {
    // Not over before it is noted as under way.
    await Promise.resolve();
    while (this.#lookAgain && this.#subscribers.size > 0 && !this.#closing.signal.aborted) {
      this.#lookAgain = false;
      try {
        this.#tell(await this.#file.view());
      } catch {
        // Who waits reads for himself, and is told by that what is wrong.
        for (const { wake } of this.#subscribers) wake();
      }
    }
    // In the same step in which nothing more was asked.
    this.#looking = undefined;
  }

  #tell(view: View): void {
    const instances = new Set<string>();
    for (const subscriber of this.#subscribers) {
      const now = subscriber.seen?.next(view) ?? watchedState(view, subscriber.names);
      for (const instance of now.instances) instances.add(instance);
      if (now === subscriber.seen) continue;
      subscriber.seen = now;
      subscriber.wake();
    }
    this.#deaths.instances = instances;
  }

  /** Who waits looks who is free now. */
  #tellDeath(): void {
    for (const { wake } of this.#subscribers) wake();
  }
}
