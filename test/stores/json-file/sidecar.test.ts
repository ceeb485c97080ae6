import { describe, expect, it } from "vitest";
import { monotonicMs, wallMs } from "../../../src/core/timing.js";
import { type LockNote, Sidecar, type WaiterNote } from "../../../src/stores/json-file/sidecar.js";

const BOOT = "this boot";
const ODD_NAMES = ["", "__proto__", "10", "2", "a/b\n", "\u00e9", "e\u0301"];

describe("the sidecar", () => {
  it("comes back from its text as it was, odd names included [G3]", () => {
    const sidecar = filled();
    expect(Sidecar.parse(sidecar.toText(BOOT), BOOT)).toEqual(Object.assign(sidecar, { isOfThisBoot: true }));
    for (const name of ODD_NAMES) expect(Sidecar.parse(sidecar.toText(BOOT), BOOT).locks.get(name)).toEqual(LOCK);
  });

  it("of another boot keeps tokens, words and queues, but no moment of its clock [G3, G7]", () => {
    const found = Sidecar.parse(filled().toText("another boot"), BOOT);
    expect(found.lastToken).toBe(1_234);
    expect(found.locks.get("")).toEqual({ ...LOCK, grantedAt: 0, lapsingSince: null });
    expect(found.waiters.get("")).toEqual([{ ...WAITER, offer: null }]);
    expect(found.words.get("former")?.get("robot")).toEqual({ reason: "revoked", detail: "why" });
    expect(found.isOfThisBoot).toBe(false);
  });

  it.each([
    ["nothing", ""],
    ["half of its text", filled().toText(BOOT).slice(0, 100)],
    ["zeros, as after a power loss", "\0".repeat(300)],
    ["null", "null"],
    ["an array", "[]"],
    ["another version", filled().toText(BOOT).replace('"version":1', '"version":2')],
    ["an unsafe token", filled().toText(BOOT).replace("1234", "12345678901234567890")],
    ["locks that are no pairs", filled().toText(BOOT).replace('"locks":[', '"locks":[7,')],
    ["a lock that is null", filled().toText(BOOT).replace('"locks":[', '"locks":[["x",null],')],
    ["a queue that is none", filled().toText(BOOT).replace('"waiters":[', '"waiters":[["x",{}],')],
    ["words that are none", filled().toText(BOOT).replace('"words":[', '"words":[["x",5],')],
  ])("is an empty one when its file holds %s: nothing in it is needed for an identity [G1, G8]", (_, text) => {
    expect(Sidecar.parse(text, BOOT)).toEqual(new Sidecar());
  });

  it("keeps word for each former holder and name until it is forgotten [G4]", () => {
    const sidecar = new Sidecar();
    sidecar.leaveWord("one", "a", { reason: "revoked" });
    sidecar.leaveWord("one", "b", { reason: "removed" });
    sidecar.leaveWord("other", "a", { reason: "taken" });
    sidecar.forgetWord("one", "a");
    expect(sidecar.words.get("one")).toEqual(new Map([["b", { reason: "removed" }]]));
    sidecar.forgetWord("one", "b");
    expect(sidecar.names("one")).toBe(false);
    expect(sidecar.words.get("other")).toEqual(new Map([["a", { reason: "taken" }]]));
  });

  it("forgets all of one holder and nothing of another", () => {
    const sidecar = filled();
    sidecar.locks.set("kept", { ...LOCK, instance: "kept" });
    sidecar.waiters.set("a", [WAITER, { ...WAITER, ticket: "2", instance: "kept" }]);
    expect(["holder", "waiter", "former", "kept", "nobody"].map((it) => sidecar.names(it))).toEqual([
      true,
      true,
      true,
      true,
      false,
    ]);
    for (const instance of ["holder", "waiter", "former"]) {
      sidecar.forgetHolder(instance);
      expect(sidecar.names(instance)).toBe(false);
    }
    expect(sidecar.waiters.get("a")).toEqual([{ ...WAITER, ticket: "2", instance: "kept" }]);
    expect([...sidecar.locks.keys()]).toEqual(["kept"]);
  });
});

const LOCK: LockNote = {
  instance: "holder",
  lock: {
    holderPid: 1,
    holderHost: "lab",
    holderInstance: "holder",
    acquiredAt: wallMs(1_000),
    heartbeatAt: wallMs(1_000),
    expiresAt: wallMs(31_000),
  },
  token: 1_234,
  id: "01JQ0000000000000000000000",
  grantedAt: monotonicMs(1_000.5),
  lapsingSince: monotonicMs(2_000),
  revocation: { reason: "maintenance", at: wallMs(3_000) },
};

const WAITER: WaiterNote = {
  ticket: "1",
  instance: "waiter",
  since: wallMs(4_000),
  offer: { at: monotonicMs(5_000), digest: "abc" },
};

function filled(): Sidecar {
  const sidecar = new Sidecar();
  sidecar.lastToken = 1_234;
  sidecar.clock = { bootId: BOOT, offsetMs: 1.25, since: monotonicMs(10) };
  sidecar.damage = { what: "torn", conflicts: ["a"], evidencePath: null };
  for (const name of ODD_NAMES) {
    sidecar.locks.set(name, LOCK);
    sidecar.waiters.set(name, [WAITER]);
  }
  sidecar.leaveWord("former", "robot", { reason: "revoked", detail: "why" });
  return sidecar;
}
