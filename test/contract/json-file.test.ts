import { describe, it } from "vitest";
import { defineStoreContract } from "../../src/testing/store-contract.js";
import { jsonFileHarness } from "./json-file-harness.js";

defineStoreContract({ describe, it }, jsonFileHarness);
