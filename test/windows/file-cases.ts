import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync } from "node:fs";
import { hostname } from "node:os";
import type { Lab } from "./lab.ts";
import { delay } from "./lab.ts";
import { bootId, FileLock, fileSystemKind, isLocalFileSystem, library, systemClock } from "./product.ts";
import { deleteAsPython, lockAsPython, openAsPython, unlockAsPython } from "./system.ts";

export const fileCases: Readonly<Record<string, (lab: Lab) => Promise<void> | void>> = {
  "the platform is Windows, and this disk a local one": ({ directory }) => {
    assert.equal(process.platform, "win32");
    assert.equal(isLocalFileSystem(directory), true, fileSystemKind(directory));
  },

  "the boot has a name, and the clock goes on": async () => {
    assert.ok(bootId().includes(hostname()));
    const from = systemClock.monotonicMs();
    await delay(200);
    const passedMs = systemClock.monotonicMs() - from;
    assert.ok(passedMs > 150 && passedMs < 5_000, `${passedMs} ms`);
  },

  "Python's filelock and ours exclude each other": ({ registryPath }) => {
    const ours = new FileLock(registryPath);
    const python = openAsPython(`${registryPath}.lock`);
    assert.equal(lockAsPython(python.handle), true);
    assert.equal(ours.tryAcquire(), false);
    assert.equal(unlockAsPython(python.handle), true);
    assert.equal(ours.tryAcquire(), true);
    assert.equal(lockAsPython(python.handle), false);
    ours.release();
    assert.equal(lockAsPython(python.handle), true);
    ours.close();
    python.close();
  },

  "a lock file that we have open cannot be deleted from under us": ({ registryPath }) => {
    const ours = new FileLock(registryPath);
    assert.equal(ours.tryAcquire(), true);
    assert.equal(deleteAsPython(`${registryPath}.lock`), false);
    assert.equal(ours.isStillOurs(), true);
    ours.close();
    assert.equal(deleteAsPython(`${registryPath}.lock`), true);
  },

  "the file is what Python reads: no byte-order mark, line feeds alone, no last one": async ({ registryPath }) => {
    await claimOnce(registryPath);
    const text = readFileSync(registryPath, "utf8");
    assert.match(text, /^\{\n {2}"/);
    assert.ok(text.endsWith("\n}"));
    assert.ok(!text.includes("\r"));
    assert.ok(existsSync(`${registryPath}.holders/last-good.json`));
  },

  "a reader that does not share delays the writer for as long as it reads, and no more": async (lab) => {
    await claimOnce(lab.registryPath);
    const reader = lab.puppet("read", lab.registryPath, "200");
    await reader.said(/^open/m);
    await claimOnce(lab.registryPath, "other");
    assert.match(readFileSync(lab.registryPath, "utf8"), /"other"/);
  },

  "a reader that never lets go makes the writer say so, and the file stays as it was": async ({ registryPath }) => {
    await claimOnce(registryPath);
    const before = readFileSync(registryPath, "utf8");
    const reader = openAsPython(registryPath);
    await assert.rejects(claimOnce(registryPath, "other"), (error: Error) => {
      assert.match(error.message, /open/);
      return (error as { code?: unknown }).code === "busy";
    });
    assert.equal(readFileSync(registryPath, "utf8"), before);
    reader.close();
    await claimOnce(registryPath, "other");
    assert.ok(statSync(registryPath).size > before.length);
  },
};

async function claimOnce(registryPath: string, name = "arm"): Promise<void> {
  const registry = await library.openRegistry(registryPath);
  try {
    const claim = await registry.claim(name, { type: "node" });
    await claim.release();
  } finally {
    await registry.close();
  }
}
