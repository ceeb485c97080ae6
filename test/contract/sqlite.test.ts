import { describe, it } from "vitest";
import { defineStoreContract } from "../../src/testing/store-contract.js";
import { sqliteHarness } from "./sqlite-harness.js";

defineStoreContract({ describe, it }, sqliteHarness);
