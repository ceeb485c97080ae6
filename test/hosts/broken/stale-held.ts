/** Loaded before a worker: its claims answer `held` from a cache, as a careless wrapper of the library may. */
import type { Claim } from "namehold";
import { registryPrototype } from "./registry-prototype.ts";

const CACHED_FOR_MS = 10_000;

const claim = registryPrototype.claim;
registryPrototype.claim = async function (...args) {
  return cached(await claim.apply(this, args));
};

function cached(granted: Claim): Claim {
  const signal = AbortSignal.any([]);
  let known = granted.held;
  let knownAt = performance.now();
  return new Proxy(granted, {
    get(target, key) {
      if (key === "signal") return signal;
      const value: unknown = Reflect.get(target, key, target);
      if (key !== "held") return typeof value === "function" ? value.bind(target) : value;
      if (performance.now() - knownAt >= CACHED_FOR_MS) {
        known = target.held;
        knownAt = performance.now();
      }
      return known;
    },
  });
}
