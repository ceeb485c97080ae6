import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/platform/clock.js";
import { RegistryFile } from "../../../src/stores/json-file/registry-file.js";

describe("the queue of turns of one process", () => {
  let directory: string;
  let file: RegistryFile;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "namehold-queue-"));
    file = new RegistryFile(join(directory, "registry.json"), systemClock, 5_000);
  });

  afterEach(async () => {
    await file.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it.each([0, 1, 2, 3, 4, 5])(
    "forgets no job that comes %i microtasks after the end of a turn [G12]",
    async (delay) => {
      const later = file
        .inTurn(() => 1)
        .then(async () => {
          for (let tick = 0; tick < delay; tick += 1) await Promise.resolve();
          return file.inTurn(() => 2);
        });
      expect(await later).toBe(2);
    },
  );
});
