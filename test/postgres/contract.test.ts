import { afterAll, beforeAll, describe, it } from "vitest";
import { defineStoreContract } from "../../src/testing/store-contract.js";
import { postgresHarness, UNSUPPORTED } from "./postgres-harness.js";
import { PostgresServer } from "./postgres-server.js";

let server: PostgresServer;

beforeAll(async () => {
  server = await PostgresServer.start();
});

afterAll(() => server[Symbol.asyncDispose]());

defineStoreContract({ describe, it }, { ...postgresHarness(() => server), unsupported: UNSUPPORTED });
