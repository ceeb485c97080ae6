import type { Change } from "../store.js";
import type { OwnLife } from "./own-life.js";

/** More are kept in mind only while etcd cannot be reached, and end with their holder's life at the latest. */
const NAMES_MAX = 10_000;

interface Doubt {
  /** Whether whoever asked has stopped looking for it. */
  readonly isGivenUp: boolean;
  readonly own: OwnLife;
  /** How often the life had been renewed: a grant of which nothing is known by the next time does not come about any more. */
  readonly renewals: number;
}

/**
 * Names that were asked for and not answered. Whoever asked reads next, and takes what he then finds as his; what comes
 * about later than that, or after a reading that failed, is nobody's, and would be in the way of this process itself.
 */
export class DoubtfulGrants {
  readonly #doubts = new Map<string, Doubt>();
  /** How many grants of a name are on their way: a lock that is found then may be that of one of them. */
  readonly #asking = new Map<string, number>();

  /** @returns what ends the asking */
  ask(change: Change): () => void {
    const names = grantedIn(change);
    for (const name of names) this.#asking.set(name, (this.#asking.get(name) ?? 0) + 1);
    return () => {
      for (const name of names) {
        const left = (this.#asking.get(name) ?? 1) - 1;
        if (left === 0) this.#asking.delete(name);
        else this.#asking.set(name, left);
      }
    };
  }

  /** The outcome of the change is not known. */
  note(change: Change, own: OwnLife): void {
    for (const name of grantedIn(change)) {
      this.#doubts.delete(name);
      this.#doubts.set(name, { isGivenUp: false, own, renewals: own.renewals });
    }
    for (const name of this.#doubts.keys()) {
      if (this.#doubts.size <= NAMES_MAX) return;
      this.#doubts.delete(name);
    }
  }

  /** The change was made: what rested on the names as they were before does not come about any more. */
  settle({ parts }: Change): void {
    if (this.#doubts.size === 0) return;
    for (const { kind, name } of parts) if (kind === "put" || kind === "remove") this.#doubts.delete(name);
  }

  /** Names that nobody takes for his any more. */
  get givenUp(): readonly string[] {
    return [...this.#doubts].flatMap(([name, { isGivenUp }]) => (isGivenUp ? [name] : []));
  }

  /** Whether what was asked for has come about by now, or never does. */
  isOver(name: string): boolean {
    const doubt = this.#doubts.get(name);
    return doubt === undefined || doubt.own.renewals > doubt.renewals;
  }

  /** It was looked at since it was over. */
  drop(name: string): void {
    this.#doubts.delete(name);
  }

  unread(name: string): void {
    const doubt = this.#doubts.get(name);
    if (doubt !== undefined) this.#doubts.set(name, { ...doubt, isGivenUp: true });
  }

  /**
   * @param isOurs whether a lock of this process stands on the name that is not known here
   * @returns whether that lock is nobody's
   */
  isOrphan(name: string, isOurs: boolean): boolean {
    const doubt = this.#doubts.get(name);
    if (doubt === undefined || this.#asking.has(name)) return false;
    if (isOurs) this.#doubts.delete(name);
    else this.unread(name);
    return isOurs && doubt.isGivenUp;
  }
}

function grantedIn({ parts }: Change): readonly string[] {
  return parts.flatMap((part) => (part.kind === "put" && part.write.lock?.kind === "grant" ? [part.name] : []));
}
