/** `namehold/testing`: for those who test programs that use namehold, or write a store for it. */

export { MemoryStore } from "../stores/memory/memory-store.js";
export { type Fault, FaultyStore, type FaultyVerb, type Pause } from "./faulty-store.js";
export { ManualClock, type ManualClockOptions } from "./manual-clock.js";
export * from "./store-contract.js";
