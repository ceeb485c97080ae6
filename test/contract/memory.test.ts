import { describe, it } from "vitest";
import { defineStoreContract } from "../../src/testing/store-contract.js";
import { memoryHarness } from "./memory-harness.js";

defineStoreContract({ describe, it }, memoryHarness("the memory store"));
