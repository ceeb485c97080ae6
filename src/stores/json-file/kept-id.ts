/** Who had its name taken away still acts under the ID, until it has been told. */
import { keptIdError } from "../../core/kept-id.js";
import { judgeLock } from "../../core/lock-rules.js";
import { entryIdOf } from "../../core/text/entry-id.js";
import type { Change } from "../store.js";
import { formerFrom } from "./snapshot.js";
import type { Work } from "./work.js";

/**
 * To be asked before a change is written.
 *
 * @throws RegistryLockError `held` where an imported ID would come to a name while the holder of another one may still
 *   act under it
 * @see docs/SPEC.md#G2
 */
export function refuseKeptIds(work: Work, holdersDirectory: string, { parts }: Change): void {
  const imported = parts.filter((part) => part.kind === "put").filter(({ write }) => write.source !== undefined);
  if (imported.length === 0) return;
  const { document, sidecar } = work;
  const now = work.reading.wall;
  const notes = Map.groupBy(sidecar.locks, ([, note]) => note.id);
  for (const { name, write } of imported) {
    const id = entryIdOf(write.source ?? "");
    // It is its own already: nothing comes to it.
    if (entryIdOf(document.entryText(name) ?? "{}") === id) continue;
    for (const [former] of notes.get(id) ?? []) {
      if (former === name) continue;
      const snapshot = { name: former, record: null, former: formerFrom(work, holdersDirectory, former), now };
      const state = judgeLock(snapshot, 0);
      if (state.kind === "held") throw keptIdError({ ...state, id, name, former, now });
    }
  }
}
