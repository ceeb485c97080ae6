import { describe, expect, it, onTestFinished, vi } from "vitest";
import { isNameholdError, RegistryLockError } from "../../src/core/errors.js";
import type { Claim } from "../../src/registry/claim.js";
import { HEARTBEAT_MS, HOLD_MS, Lab, storyOf, TTL_MS } from "./lab.js";

interface Kept {
  readonly claim: Claim;
  /** Taken from the claim when it was new. */
  readonly signal: AbortSignal;
}

/** Each way to ask whether the claim is held. */
const QUESTIONS: readonly (readonly [what: string, says: (kept: Kept) => boolean])[] = [
  ["held", ({ claim }) => claim.held],
  ["signal", ({ claim }) => !claim.signal.aborted],
  ["aborted of a signal that was kept", ({ signal }) => !signal.aborted],
  ["throwIfAborted of a signal that was kept", ({ signal }) => !throws(() => signal.throwIfAborted())],
  ["loss", ({ claim }) => claim.loss === null],
  ["deadlineInMs", ({ claim }) => claim.deadlineInMs > 0],
];

describe("a claim after a stall", () => {
  it.each(QUESTIONS)("is right about '%s' before any timer has run [G4]", async (_, isHeld) => {
    const lab = new Lab();
    const claim = await lab.open().claim("robot");
    const kept = { claim, signal: claim.signal };
    const story = storyOf(claim);
    const aborted = vi.fn();
    kept.signal.addEventListener("abort", aborted);
    lab.clock.stall(HOLD_MS - 1);
    expect(isHeld(kept)).toBe(true);
    lab.clock.stall(1);
    expect(isHeld(kept)).toBe(false);
    expect(story).toEqual(["lost: expired"]);
    expect(aborted).toHaveBeenCalledTimes(1);
    await lab.clock.advance(2 * TTL_MS);
    expect(QUESTIONS.map(([, says]) => says(kept))).not.toContain(true);
    expect(story).toEqual(["lost: expired"]);
    expect(aborted).toHaveBeenCalledTimes(1);
  });

  it("gives the loss as the reason of its kept signal [G4]", async () => {
    const lab = new Lab();
    const { signal } = await lab.open().claim("robot");
    lab.clock.stall(HOLD_MS);
    expect(() => signal.throwIfAborted()).toThrow(RegistryLockError);
    expect(signal.reason).toMatchObject({ code: "lost", details: { name: "robot" } });
    expect(String(signal.reason)).toContain('"robot" is not held any more: it could not be refreshed in time');
  });
});

describe("the deadline of a claim", () => {
  it("counts from before the claim was sent [G4]", async () => {
    const lab = new Lab();
    const a = lab.open();
    const pause = a.store.pauseNext("after", "commit");
    const claiming = a.claim("robot");
    await pause.reached;
    lab.clock.stall(1_000);
    pause.resume();
    const claim = await claiming;
    expect(claim.deadlineInMs).toBe(HOLD_MS - 1_000);
    expect(claim.deadline).toBe(lab.clock.monotonicMs() + HOLD_MS - 1_000);
    lab.clock.stall(500);
    expect(claim.deadlineInMs).toBe(HOLD_MS - 1_500);
  });

  it("passes before anybody else can acquire the name [G2, G4]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const claim = await a.claim("robot");
    await lab.clock.advance(HEARTBEAT_MS);
    a.store.freeze();
    await lab.clock.advance(HOLD_MS - 1);
    expect(claim.held).toBe(true);
    await lab.clock.advance(1);
    expect(claim.held).toBe(false);
    await lab.clock.advance(TTL_MS - HOLD_MS - 1);
    await expect(b.claim("robot")).rejects.toMatchObject({ code: "held" });
    await lab.clock.advance(1);
    expect((await b.claim("robot")).token).toBeGreaterThan(claim.token);
  });

  it("that has passed before the grant arrives gives the name back [G4]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const pause = a.store.pauseNext("after", "commit");
    const claiming = a.claim("robot");
    await pause.reached;
    lab.clock.stall(HOLD_MS);
    pause.resume();
    await expect(claiming).rejects.toMatchObject({ code: "busy" });
    expect(a.registry.claimed("robot")).toBeUndefined();
    await b.claim("robot");
  });

  it("moves with each refresh, by heartbeat or on demand", async () => {
    const lab = new Lab();
    const a = lab.open();
    const claim = await a.claim("robot");
    await lab.clock.advance(HEARTBEAT_MS);
    expect(claim.deadlineInMs).toBe(HOLD_MS);
    await lab.clock.advance(4_000);
    expect(claim.deadlineInMs).toBe(HOLD_MS - 4_000);
    await a.registry.refresh("robot");
    expect(claim.deadlineInMs).toBe(HOLD_MS);
  });
});

describe("what a claim tells", () => {
  it("is each refresh, a jeopardy with what is left, and the loss once [G4]", async () => {
    const lab = new Lab();
    const a = lab.open();
    const claim = await a.claim("robot");
    const told: unknown[] = [];
    claim.on("refreshed", (event) => told.push(event));
    claim.on("jeopardy", (event) => told.push(event));
    claim.on("lost", (loss) => told.push(loss));
    await lab.clock.advance(HEARTBEAT_MS);
    a.store.failNext("heartbeat", { kind: "refuse", code: "unreachable" });
    await lab.clock.advance(HEARTBEAT_MS);
    await lab.open().registry.revoke("robot", { reason: "for repair" });
    await lab.clock.advance(HEARTBEAT_MS);
    await lab.clock.advance(2 * TTL_MS);
    const error: unknown = expect.objectContaining({ code: "unreachable" });
    expect(told).toEqual([
      { deadlineInMs: HOLD_MS },
      { error, deadlineInMs: HOLD_MS - HEARTBEAT_MS },
      { reason: "revoked", detail: "for repair" },
    ]);
  });

  it("of a takeover names the new holder, in the signal's reason too [G4, G5]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const claim = await a.claim("robot");
    const { signal } = claim;
    await lab.open().registry.revoke("robot", { reason: "at once", now: true });
    await b.claim("robot");
    expect(claim.held).toBe(true);
    await lab.clock.advance(HEARTBEAT_MS);
    expect(claim.loss?.reason).toBe("revoked");
    expect(signal.reason).toMatchObject({ code: "lost" });
    expect(String(signal.reason)).toContain("it was revoked (at once)");
  });

  it("does not come back to life by a refresh that succeeds late [G4]", async () => {
    const lab = new Lab();
    const a = lab.open();
    const claim = await a.claim("robot");
    const pause = a.store.pauseNext("after", "heartbeat");
    await lab.clock.advance(HEARTBEAT_MS);
    await pause.reached;
    await lab.clock.advance(HOLD_MS);
    expect(claim.loss).toEqual({ reason: "expired" });
    pause.resume();
    await lab.clock.advance(HEARTBEAT_MS);
    expect([claim.held, claim.signal.aborted, claim.loss?.reason]).toEqual([false, true, "expired"]);
  });

  it("does not come back to life by a refresh on demand either [G4]", async () => {
    const lab = new Lab();
    const a = lab.open();
    const claim = await a.claim("robot");
    lab.clock.stall(HOLD_MS - 1_000);
    const pause = a.store.pauseNext("after", "heartbeat");
    const refreshing = a.registry.refresh("robot");
    await pause.reached;
    lab.clock.stall(1_000);
    pause.resume();
    await expect(refreshing).rejects.toMatchObject({ code: "lost" });
    expect(claim.held).toBe(false);
    await expect(a.registry.refresh("robot")).rejects.toMatchObject({ code: "lost" });
  });
});

describe("release", () => {
  it("frees the name at once, ends the claim as closed, and tells no loss", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const claim = await a.claim("robot");
    const story = storyOf(claim);
    const { signal } = claim;
    expect(await claim.release()).toBe(true);
    expect([claim.held, claim.deadlineInMs, claim.loss]).toEqual([false, 0, null]);
    expect(signal.reason).toMatchObject({ code: "closed" });
    const next = await b.claim("robot");
    expect(next.id).toBe(claim.id);
    expect(next.token).toBeGreaterThan(claim.token);
    await lab.clock.advance(TTL_MS);
    expect(story).toEqual([]);
  });

  it("ends the claim before the store has answered", async () => {
    const lab = new Lab();
    const a = lab.open();
    const claim = await a.claim("robot");
    const pause = a.store.pauseNext("before", "commit");
    const releasing = claim.release();
    expect(claim.held).toBe(false);
    await pause.reached;
    pause.resume();
    expect(await releasing).toBe(true);
  });

  it("may be called again, and answers the same", async () => {
    const lab = new Lab();
    const claim = await lab.open().claim("robot");
    expect(await Promise.all([claim.release(), claim.release()])).toEqual([true, true]);
    const before = await lab.everything();
    expect(await claim.release()).toBe(true);
    expect(await lab.everything()).toEqual(before);
  });

  it("that fails says how, and may be tried again", async () => {
    const lab = new Lab();
    const a = lab.open();
    const claim = await a.claim("robot");
    a.store.failNext("commit", { kind: "refuse", code: "unreachable" });
    await expect(claim.release()).rejects.toMatchObject({ code: "unreachable" });
    expect(claim.held).toBe(false);
    expect((await lab.record("robot")).token).toBe(claim.token);
    expect(await claim.release()).toBe(true);
    expect((await lab.record("robot")).token).toBeNull();
  });

  it("that failed leaves the name to its TTL [G6]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const claim = await a.claim("robot");
    a.store.failNext("commit", { kind: "refuse", code: "unreachable" });
    await expect(claim.release()).rejects.toMatchObject({ code: "unreachable" });
    await lab.clock.advance(TTL_MS - 1);
    await expect(b.claim("robot")).rejects.toMatchObject({ code: "held" });
    await lab.clock.advance(1);
    await b.claim("robot");
  });

  it("by a former holder answers false and changes nothing [G5]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const former = await a.claim("robot");
    a.store.freeze();
    await lab.clock.advance(TTL_MS);
    const holder = await b.claim("robot");
    a.store.thaw();
    await lab.clock.settle();
    const before = await lab.everything();
    expect(await former.release()).toBe(false);
    expect(await lab.everything()).toEqual(before);
    expect(holder.held).toBe(true);
  });

  it("of an earlier claim of the same process does not end its later one [G5]", async () => {
    const lab = new Lab();
    const a = lab.open();
    const first = await a.claim("robot");
    a.store.failNext("commit", { kind: "refuse", code: "unreachable" });
    await expect(first.release()).rejects.toMatchObject({ code: "unreachable" });
    const second = await a.claim("robot");
    await first.release();
    expect((await lab.record("robot")).token).toBe(second.token);
    await lab.clock.advance(2 * TTL_MS);
    expect(second.held).toBe(true);
    expect(a.registry.claimed("robot")).toBe(second);
  });

  it("of a claim that was revoked frees the name at once", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const claim = await a.claim("robot");
    await b.registry.revoke("robot", { reason: "for repair" });
    await lab.clock.advance(HEARTBEAT_MS);
    expect(claim.held).toBe(false);
    await expect(b.claim("robot")).rejects.toMatchObject({ code: "held" });
    expect(await claim.release()).toBe(true);
    await b.claim("robot");
  });

  it("keeps `lost` and `closed` apart: what was lost stays lost", async () => {
    const lab = new Lab();
    const claim = await lab.open().claim("robot");
    lab.clock.stall(HOLD_MS);
    expect(await claim.release()).toBe(true);
    expect(claim.loss).toEqual({ reason: "expired" });
    expect(claim.signal.reason).toMatchObject({ code: "lost" });
  });
});

describe("a former holder", () => {
  it("that releases late does not stop the heartbeat of its own process's next claim of the name [G5]", async () => {
    const lab = new Lab();
    const [a, operator] = [lab.open(), lab.open()];
    const first = await a.claim("robot");
    const next = a.claim("robot", { waitMs: 2 * TTL_MS });
    await lab.clock.advance(1);
    await operator.registry.revoke("robot", { reason: "test", now: true });
    await lab.clock.advance(1);
    const second = await next;
    await first.release();
    await lab.clock.advance(3 * TTL_MS);
    expect([first.held, second.held]).toEqual([false, true]);
  });

  it("changes nothing by its refresh, and is told who holds the name [G5]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const { token } = await a.claim("robot");
    a.store.freeze();
    await lab.clock.advance(TTL_MS);
    await b.claim("robot");
    a.store.thaw();
    await lab.clock.settle();
    const before = await lab.everything();
    const { pid, host, instance } = b.holder;
    expect(await a.store.heartbeat(a.holder, new Map([["robot", token]]))).toEqual(
      new Map([["robot", { reason: "taken", by: { pid, host, instance } }]]),
    );
    expect(await lab.everything()).toEqual(before);
  });

  it("claims anew what is free again, with a greater token [G3, G4]", async () => {
    const lab = new Lab();
    const a = lab.open();
    const first = await a.claim("robot");
    lab.clock.stall(HOLD_MS);
    expect(first.held).toBe(false);
    const second = await a.claim("robot");
    expect(second.id).toBe(first.id);
    expect(second.token).toBeGreaterThan(first.token);
    expect([first.held, second.held]).toEqual([false, true]);
  });
});

describe("await using", () => {
  it("releases at the end of the block", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    let kept: Claim;
    {
      await using claim = await a.claim("robot");
      kept = claim;
      expect(claim.held).toBe(true);
    }
    expect(kept.held).toBe(false);
    await b.claim("robot");
  });

  it("does not hide the error that led to it: a failed release is a warning", async () => {
    const lab = new Lab();
    const a = lab.open();
    const warn = vi.spyOn(process, "emitWarning").mockReturnValue();
    onTestFinished(() => warn.mockRestore());
    const work = async (): Promise<void> => {
      await using claim = await a.claim("robot");
      a.store.failNext("commit", { kind: "refuse", code: "unreachable" });
      throw new Error(`the work of ${claim.name} failed`);
    };
    await expect(work()).rejects.toThrow("the work of robot failed");
    expect(warn).toHaveBeenCalledTimes(1);
    expect(warn.mock.calls[0]?.[0]).toContain('"robot" was not released and ends by its TTL');
  });
});

function throws(call: () => void): boolean {
  try {
    call();
    return false;
  } catch (error) {
    if (isNameholdError(error, "lost")) return true;
    throw error;
  }
}
