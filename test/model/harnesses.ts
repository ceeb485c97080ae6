import { join } from "node:path";
import { setImmediate as turnOfEventLoop } from "node:timers/promises";
import { isNameholdError } from "../../src/core/errors.js";
import type { Clock } from "../../src/core/timing.js";
import { unflock } from "../../src/platform/flock.js";
import { JsonFileStore } from "../../src/stores/json-file/json-file-store.js";
import { MemoryStore } from "../../src/stores/memory/memory-store.js";
import { SqliteStore } from "../../src/stores/sqlite/sqlite-store.js";
import type { Store } from "../../src/stores/store.js";
import { TemporaryDirectory } from "../contract/temporary-directory.js";
import type { ModelFixture, ModelHarness } from "./harness.js";
import { SleeplessClock } from "./sleepless-clock.js";

const memory: ModelHarness = { name: "memory", runs: 1_000, open: async (clock) => openMemory(clock) };

const sqlite: ModelHarness = {
  name: "SQLite",
  runs: 60,
  open: (clock) => openFiles(clock, (directory, own) => new SqliteStore(join(directory, "lab.db"), { clock: own })),
};

const jsonFile: ModelHarness = {
  name: "the JSON file",
  runs: 60,
  open: (clock) =>
    openFiles(clock, (directory, own) => new JsonFileStore(join(directory, "registry.json"), { clock: own })),
};

/** The stores that the model runs over. One that needs a server joins them with a harness of its own. */
export const modelHarnesses: readonly ModelHarness[] = [memory, sqlite, jsonFile];

function openMemory(clock: Clock): ModelFixture {
  const first = new MemoryStore(clock);
  return {
    connect: () => first.another(),
    kill: (_store, { instance }) => first.kill(instance),
    stir: turnOfEventLoop,
    dispose: () => first.close(),
  };
}

/** Files on a disk, and the kernel's locks on presences. */
async function openFiles(clock: Clock, connect: (directory: string, clock: Clock) => Store): Promise<ModelFixture> {
  const directory = await TemporaryDirectory.make();
  const sleepless = new SleeplessClock(clock);
  return {
    connect: () => connect(directory.path, sleepless),
    kill: (store, holder) => {
      const fd = presenceOf(() => store.presenceDescriptor?.(holder));
      // By name, and not by closing it: the store's own descriptor must not become another file's.
      if (fd !== undefined) unflock(fd, "owner");
    },
    stir: async () => {
      sleepless.wake();
      await turnOfEventLoop();
    },
    dispose: () => directory[Symbol.asyncDispose](),
  };
}

/** Who has claimed nothing yet has none. */
function presenceOf(ask: () => number | undefined): number | undefined {
  try {
    return ask();
  } catch (error) {
    if (isNameholdError(error, "invalid-input")) return undefined;
    throw error;
  }
}
