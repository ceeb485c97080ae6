import type { ComponentType } from "../core/entry.js";
import type { Snapshot } from "../core/record.js";

const NAMES_MAX = 1_000;

/**
 * Free names as this process has last written them, the latest 1 000: who claims one of them need not look first. What
 * has changed since is found out by the write, which expects the version that was seen.
 */
export class FreeNames {
  /** The oldest first. */
  readonly #snapshots = new Map<string, Snapshot>();

  note(snapshot: Snapshot): void {
    const { name, record, former } = snapshot;
    this.#snapshots.delete(name);
    if (record === null || record.entry.lock !== null || record.waiters.length > 0 || former !== null) return;
    this.#snapshots.set(name, snapshot);
    if (this.#snapshots.size <= NAMES_MAX) return;
    const [oldest] = this.#snapshots.keys();
    if (oldest !== undefined) this.#snapshots.delete(oldest);
  }

  /** Once: it will be another's, or have changed. Undefined where a look is needed, and where the type is not as asked. */
  take(name: string, type: ComponentType): Snapshot | undefined {
    const snapshot = this.#snapshots.get(name);
    this.#snapshots.delete(name);
    return snapshot?.record?.entry.componentType === type ? snapshot : undefined;
  }
}
