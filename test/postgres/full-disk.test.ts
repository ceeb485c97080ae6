import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Registry } from "../../src/registry/registry.js";
import { openLab } from "./lab.js";
import { newSchema, settingsOf } from "./postgres-harness.js";
import { PostgresServer } from "./postgres-server.js";

const NAMES_MAX = 4_000;

it("a full disk of the server loses no ID and no lock, says so, and is over when there is space [G1, G7, G11]", async () => {
  const directory = await mkdtemp(join(tmpdir(), "namehold-full-"));
  // Needs root, as a small file system of one's own does.
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=160m,mode=755", "tmpfs", directory]);
  const server = await PostgresServer.start({
    directory,
    settings: ["fsync=off", "max_wal_size=32MB", "min_wal_size=32MB"],
  });
  const settings = settingsOf(server, newSchema());
  const [a, b] = [openLab(settings, { timeoutMs: 2_000 }), openLab(settings, { timeoutMs: 2_000 })];
  const ballast = join(server.data, "ballast");
  try {
    await a.claim("arm", { type: "node" });
    execFileSync("dd", ["if=/dev/zero", `of=${ballast}`, "bs=64k"], { stdio: "pipe" });
  } catch (error) {
    // dd ends when there is no space left, which is what it is for.
    expect(String((error as { stderr?: Buffer }).stderr)).toContain("No space left");
  }
  try {
    const ids = new Map<string, string>();
    const failure = await fillUp(a, ids);
    expect(failure).toMatchObject({ code: expect.stringMatching(/^(storage-failed|unreachable|outcome-unknown)$/) });
    await rm(ballast);
    // Where the log had no room, PostgreSQL stops; an operator starts it when there is some.
    await server.begin().catch(() => undefined);
    expect(await b.claim("arm", { type: "node" }).catch((error: unknown) => error)).toMatchObject({ code: "held" });
    for (const [name, id] of ids) expect(await b.lookup(name)).toBe(id);
    expect(await a.resolve("after", { type: "node" })).toMatch(/^[0-9A-Z]{26}$/);
  } finally {
    await Promise.allSettled([a.close(), b.close()]);
    await server[Symbol.asyncDispose]();
    execFileSync("umount", ["-l", directory]);
    await rm(directory, { recursive: true, force: true });
  }
});

/** Makes names until that fails. @returns why it did */
async function fillUp(lab: Registry, ids: Map<string, string>): Promise<unknown> {
  for (let i = 0; i < NAMES_MAX; i += 1) {
    const metadata = { ballast: Array.from({ length: 3_000 }, (_, j) => Math.sin(i * 3_000 + j)).join() };
    try {
      ids.set(`name ${i}`, await lab.resolve(`name ${i}`, { type: "node", metadata }));
    } catch (error) {
      return error;
    }
  }
  return undefined;
}
