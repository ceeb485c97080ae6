import { beforeEach, expect, it, vi } from "vitest";
import type * as presenceProbe from "../../../src/platform/presence-probe.js";
import { creation, done, grant, newHolder, SqliteLab } from "./sqlite-lab.js";

/** Of whom the kernel was asked. */
const asked = vi.hoisted((): string[] => []);

vi.mock("../../../src/platform/presence-probe.js", async (importOriginal) => {
  const original = await importOriginal<typeof presenceProbe>();
  const probePresence: typeof original.probePresence = (directory, instance, nowMs) => {
    asked.push(instance);
    return original.probePresence(directory, instance, nowMs);
  };
  return { ...original, probePresence };
});

beforeEach(() => {
  asked.length = 0;
});

it("whether those who wait for a name are alive is asked by who wants to know, once, and not by who gives it up", async () => {
  const lab = new SqliteLab();
  const [store, waiters] = [lab.store(), lab.store()];
  const holder = newHolder();
  const waiter = newHolder();
  const { version } = await grant(store, holder, "robot");
  const wait = { kind: "enqueue", name: "robot", ticket: "t" } as const;
  await done(waiters.commit({ holder: waiter, parts: [wait] }));
  await done(store.commit({ holder: newHolder(), parts: [creation("another")] }));
  asked.length = 0;
  const { record } = await store.read("robot");
  const clear = { kind: "put", name: "robot", expect: version, write: { lock: { kind: "clear" } } } as const;
  await done(store.commit({ holder, parts: [clear] }));
  expect(asked).toEqual([]);
  expect(record?.waiters.map(({ ticket }) => ticket)).toEqual(["t"]);
  expect(record?.waiters).toHaveLength(1);
  expect(asked).toEqual([waiter.instance]);
});
