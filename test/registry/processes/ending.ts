/**
 * A process that takes `robot` in the registry file given, says so, and comes to the end that it is told:
 * `ending.ts PATH END`.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { LocalRegistryManager, LockManager, openRegistry } from "../../../src/index.js";

const [path = "", end = ""] = process.argv.slice(2);

const ENDS: Readonly<Record<string, () => Promise<void> | void>> = {
  return: () => undefined,
  "process.exit": () => process.exit(7),
  "uncaught error": () => {
    setImmediate(() => {
      throw new Error("uncaught");
    });
  },
  "unhandled rejection": () => {
    void Promise.reject(new Error("unhandled"));
  },
  "rejected top level": () => Promise.reject(new Error("rejected")),
  "process.exit with two registries": async () => {
    const other = await openRegistry(`${path}.other`);
    await other.claim("arm", { type: "node" });
    process.exit(0);
  },
  "process.exit in the middle of a heartbeat": async () => {
    await sleep(60);
    void registry.refresh("robot");
    process.exit(0);
  },
  "return after a release": async () => {
    await claim.release();
  },
  "return after closing": () => registry.close(),
  "return with a heartbeat by name": () => {
    const manager = new LocalRegistryManager({ registryPath: path, lockManager: new LockManager() });
    manager.lockManager.on("lost", () => undefined);
    manager.lockManager.startHeartbeat("unknown", manager);
  },
  SIGKILL: () => {
    process.kill(process.pid, "SIGKILL");
  },
};

const registry = await openRegistry(path, { lockTtlMs: 60_000, heartbeatIntervalMs: 20_000 });
const claim = await registry.claim("robot", { type: "node" });
process.stdout.write(`${claim.id}\n`);
await ENDS[end]?.();
