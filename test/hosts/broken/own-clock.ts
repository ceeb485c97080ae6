/** Loaded before a worker: it judges by its own wall clock that nobody holds a name for more than a minute, and takes it then. */
import { registryPrototype } from "./registry-prototype.ts";

const HOLDERS_LIVE_MS = 60_000;

const claim = registryPrototype.claim;
registryPrototype.claim = async function (name, options) {
  const lock = (await this.entry(name))?.entry.lock;
  if (lock && Number(lock.acquiredAt) + HOLDERS_LIVE_MS < Date.now()) {
    await this.revoke(name, { reason: "expired", now: true });
  }
  return claim.call(this, name, options);
};
