/** When two looks at the files differ for those who watch. */
import type { RegistryDocument } from "../../core/text/registry-document.js";
import { isSameEntryButTimes } from "./copy-comparison.js";
import { readableLock } from "./readable-lock.js";
import type { View } from "./work.js";

/** What a watcher has been told of. */
export interface WatchedState {
  /** Those whose deaths are news. */
  readonly instances: ReadonlySet<string>;
  /** @returns the state now; this very one, when nothing has changed for the watcher */
  next(view: View): WatchedState;
}

/** @param names all, when not given */
export function watchedState(view: View, names: readonly string[] | undefined): WatchedState {
  return names === undefined ? new AllNames(view) : new SomeNames(view, names);
}

/** A few names, of which every letter counts: who waits for one goes by its holder's heartbeats. */
class SomeNames implements WatchedState {
  readonly instances: ReadonlySet<string>;
  readonly #names: readonly string[];
  readonly #text: string;

  constructor(view: View, names: readonly string[]) {
    this.instances = instancesOf(view, names);
    this.#names = names;
    this.#text = JSON.stringify(
      names.map((name) => [name, view.document.entryText(name) ?? null, notesOf(view, name)]),
    );
  }

  next(view: View): WatchedState {
    const now = new SomeNames(view, this.#names);
    return now.#text === this.#text ? this : now;
  }
}

/**
 * All names, of which heartbeats are no news: there is one in each interval of each holder, and all names would be looked
 * at for it. That none comes is told by nobody; who wants to know it looks again when a lock lapses.
 */
class AllNames implements WatchedState {
  readonly instances: ReadonlySet<string>;
  #document: RegistryDocument;
  readonly #notes: string;

  constructor(view: View) {
    const { document, sidecar } = view;
    this.instances = instancesOf(view, new Set([...document.names(), ...sidecar.locks.keys()]));
    this.#document = document;
    this.#notes = allNotesOf(view);
  }

  next(view: View): WatchedState {
    if (allNotesOf(view) !== this.#notes || !isSameButBeats(this.#document, view.document)) return new AllNames(view);
    this.#document = view.document;
    return this;
  }
}

/** The root's own members do not count: a registry that is not there yet reads as a new one, made at the moment of reading. */
function isSameButBeats(before: RegistryDocument, now: RegistryDocument): boolean {
  if (before === now) return true;
  if (before.size !== now.size) return false;
  for (const name of now.names()) {
    const textBefore = before.entryText(name);
    const text = now.entryText(name) ?? "";
    if (textBefore === text) continue;
    if (textBefore === undefined || !isSameEntryButTimes(textBefore, text) || !isInTime(textBefore, text)) return false;
  }
  return true;
}

/** A heartbeat after the lock's expiry, or on a clock that was set back, may be of a holder that was silent. */
function isInTime(textBefore: string, text: string): boolean {
  const before = readableLock(textBefore);
  const now = readableLock(text);
  if (before === null || now === null) return true;
  return before.heartbeatAt <= now.heartbeatAt && now.heartbeatAt <= before.expiresAt;
}

function instancesOf({ document, sidecar }: View, names: Iterable<string>): ReadonlySet<string> {
  const instances = new Set<string>();
  for (const name of names) {
    const lock = readableLock(document.entryText(name)) ?? sidecar.locks.get(name)?.lock;
    if (lock !== undefined) instances.add(lock.holderInstance);
    for (const waiter of sidecar.waiters.get(name) ?? []) instances.add(waiter.instance);
  }
  return instances;
}

function notesOf({ sidecar }: View, name: string): readonly unknown[] {
  return [sidecar.waiters.get(name) ?? [], sidecar.locks.get(name), sidecar.damage];
}

function allNotesOf({ sidecar }: View): string {
  const waiters = [...sidecar.waiters].filter(([, queue]) => queue.length > 0);
  return JSON.stringify([waiters, [...sidecar.locks], sidecar.damage]);
}
