import { getEventListeners } from "node:events";
import { describe, expect, it, vi } from "vitest";
import type { WaitInfo } from "../../src/registry/acquire.js";
import type { Claim } from "../../src/registry/claim.js";
import { HEARTBEAT_MS, HOLD_MS, Lab, type LabProcess, TTL_MS } from "./lab.js";

/** How long a free name is kept for the waiter whose turn it is. */
const TURN_MS = 1_000;

/** A name, its holder, and so many processes in its queue, in the order in which they came. */
async function queueOf(count: number): Promise<{
  readonly lab: Lab;
  readonly holder: LabProcess;
  readonly held: Claim;
  readonly waiters: readonly { readonly process: LabProcess; readonly claim: Promise<Claim> }[];
}> {
  const lab = new Lab();
  const holder = lab.open();
  const held = await holder.claim("robot");
  const waiters = [];
  for (let index = 0; index < count; index++) {
    const process = lab.open();
    waiters.push({ process, ...(await process.queueUp("robot")) });
  }
  return { lab, holder, held, waiters };
}

/** Calls `call` when the name is given; one that is not given by the end of the test is refused then. */
function onGiven(waiter: { readonly claim: Promise<Claim> } | undefined, call: () => unknown): void {
  waiter?.claim.then(call, () => undefined);
}

async function queueIn(lab: Lab): Promise<readonly string[]> {
  return (await lab.record("robot")).waiters.map(({ instance }) => instance);
}

describe("a waiter", () => {
  it("is woken by the release, with no time going by", async () => {
    const { held, waiters } = await queueOf(1);
    await held.release();
    const claim = await waiters[0]?.claim;
    expect(claim).toMatchObject({ id: held.id, held: true, isNew: false });
    expect(claim?.token).toBeGreaterThan(held.token);
  });

  it("is woken by the holder's death, with no time going by [G6]", async () => {
    const { holder, held, waiters } = await queueOf(1);
    holder.kill();
    expect((await waiters[0]?.claim)?.id).toBe(held.id);
  });

  it("is woken by a revocation at once, and not by one that waits for the holder", async () => {
    const { lab, holder, waiters } = await queueOf(1);
    const given = vi.fn();
    onGiven(waiters[0], given);
    await holder.registry.revoke("robot", { reason: "for repair" });
    await lab.clock.settle();
    expect(given).not.toHaveBeenCalled();
    await holder.registry.revoke("robot", { reason: "for repair", now: true });
    await lab.clock.settle();
    expect(given).toHaveBeenCalledTimes(1);
  });

  it("gets the name of a holder that falls silent when its TTL has passed, not before [G6, G7]", async () => {
    const { lab, holder, held, waiters } = await queueOf(1);
    await lab.clock.advance(HEARTBEAT_MS);
    holder.store.freeze();
    const given = vi.fn();
    onGiven(waiters[0], given);
    await lab.clock.advance(TTL_MS - 1);
    expect(given).not.toHaveBeenCalled();
    expect(held.held).toBe(false);
    // The waiter looks a millisecond later than the rules say.
    await lab.clock.advance(2);
    expect(given).toHaveBeenCalledTimes(1);
  });

  it("does not get the name of a holder that goes on [G7]", async () => {
    const { lab, held, waiters } = await queueOf(1);
    const given = vi.fn();
    onGiven(waiters[0], given);
    await lab.clock.advance(10 * TTL_MS);
    expect(given).not.toHaveBeenCalled();
    expect(held.held).toBe(true);
  });

  it("looks by itself where the store does not wake it", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const held = await a.claim("robot");
    vi.spyOn(b.store, "watch").mockImplementation(({ signal }) => silence(signal));
    const { claim } = await b.queueUp("robot");
    await held.release();
    await lab.clock.advance(5_000);
    expect((await claim).held).toBe(true);
  });

  it("leaves no timer, listener or place in the queue behind", async () => {
    const { lab, held, waiters } = await queueOf(1);
    await held.release();
    await (await waiters[0]?.claim)?.release();
    await lab.clock.settle();
    expect(lab.clock.timersPending).toBe(0);
    expect(await queueIn(lab)).toEqual([]);
  });

  it("waits for a name that is renamed away, and gets it as a new one [G1]", async () => {
    const { lab, held, waiters } = await queueOf(1);
    await lab.open().registry.rename("robot", "arm", { force: true });
    await lab.clock.advance(HEARTBEAT_MS);
    await held.release();
    const claim = await waiters[0]?.claim;
    expect(claim).toMatchObject({ name: "robot", isNew: true });
    expect(claim?.id).not.toBe(held.id);
    expect((await lab.record("arm")).entry.id).toBe(held.id);
  });

  it("keeps its place through a store that is busy, and loses it with one that fails [G11]", async () => {
    const { lab, held, waiters } = await queueOf(1);
    const [first] = waiters;
    first?.process.store.failNext("commit", { kind: "refuse", code: "busy" });
    const second = lab.open();
    const { claim } = await second.queueUp("robot");
    await held.release();
    const given = await first?.claim;
    expect(given?.held).toBe(true);
    second.store.failNext("read", { kind: "refuse", code: "storage-failed" });
    await given?.release();
    await expect(claim).rejects.toMatchObject({ code: "storage-failed" });
    expect(await queueIn(lab)).toEqual([]);
  });

  it("waits out a store that cannot be reached, for as long as it has time, and says so at its end [G11, G12]", async () => {
    const { lab, held, waiters } = await queueOf(1);
    const [first] = waiters;
    const store = first?.process.store ?? expect.fail();
    store.planFault = () => ({ kind: "refuse", code: "unreachable" });
    await held.release();
    await lab.clock.advance(5_000);
    store.planFault = () => undefined;
    await lab.clock.advance(500);
    expect((await first?.claim)?.held).toBe(true);
    const late = lab.open();
    late.store.planFault = () => ({ kind: "refuse", code: "unreachable" });
    const claim = late.claim("robot", { waitMs: 3_000 });
    const ended = vi.fn();
    claim.catch(ended);
    await lab.clock.advance(2_999);
    expect(ended).not.toHaveBeenCalled();
    await lab.clock.advance(1);
    await expect(claim).rejects.toMatchObject({ code: "unreachable" });
  });
});

/** A watch that tells of its beginning, as it must, and of nothing else. */
async function* silence(signal: AbortSignal): AsyncIterable<null> {
  yield null;
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
}

describe("the queue", () => {
  it("is first come, first served", async () => {
    const { lab, held, waiters } = await queueOf(4);
    const order: number[] = [];
    for (const [index, waiter] of waiters.entries()) onGiven(waiter, () => order.push(index));
    let holding: Claim | undefined = held;
    for (const { claim } of waiters) {
      await holding?.release();
      await lab.clock.settle();
      holding = await claim;
    }
    expect(order).toEqual([0, 1, 2, 3]);
  });

  it("is one for all claims of one process, too", async () => {
    const lab = new Lab();
    const a = lab.open();
    const held = await a.claim("robot");
    const [first, second] = [await a.queueUp("robot"), await a.queueUp("robot")];
    await held.release();
    const claim = await first.claim;
    await lab.clock.settle();
    expect(await queueIn(lab)).toEqual([a.instance]);
    await claim.release();
    expect((await second.claim).token).toBeGreaterThan(claim.token);
  });

  it("refuses who does not wait while somebody waits for the free name, and says so", async () => {
    const { lab, held, waiters } = await queueOf(1);
    const [first] = waiters;
    first?.process.store.freeze();
    await held.release();
    const late = lab.open().claim("robot");
    await expect(late).rejects.toMatchObject({ code: "held", details: { name: "robot" } });
    await expect(late).rejects.toThrow(`goes to a waiter that came first (instance ${first?.process.instance})`);
    first?.process.store.thaw();
    expect((await first?.claim)?.held).toBe(true);
  });

  it("passes over a waiter that lets its turn go by, after that turn and not before [G12]", async () => {
    const { lab, held, waiters } = await queueOf(3);
    const [stuck, second, third] = waiters;
    stuck?.process.store.freeze();
    const [given, later] = [vi.fn(), vi.fn()];
    onGiven(second, given);
    onGiven(third, later);
    await held.release();
    await lab.clock.advance(TURN_MS - 1);
    expect(given).not.toHaveBeenCalled();
    await lab.clock.advance(2);
    expect(given).toHaveBeenCalledTimes(1);
    expect(later).not.toHaveBeenCalled();
  });

  it("lets a waiter that was passed over wait on, at its end", async () => {
    const { lab, held, waiters } = await queueOf(3);
    const [stuck, second, third] = waiters;
    stuck?.process.store.freeze();
    await held.release();
    await lab.clock.advance(TURN_MS + 1);
    const next = await second?.claim;
    stuck?.process.store.thaw();
    await lab.clock.settle();
    expect(await queueIn(lab)).toEqual([third?.process.instance, stuck?.process.instance]);
    await next?.release();
    await (await third?.claim)?.release();
    expect((await stuck?.claim)?.held).toBe(true);
  });

  it("forgets a waiter that dies, at once [G6]", async () => {
    const { held, waiters } = await queueOf(2);
    waiters[0]?.process.kill();
    await held.release();
    expect((await waiters[1]?.claim)?.held).toBe(true);
  });
});

describe("the end of a wait", () => {
  it("in vain is a timeout, in time, with who holds the name, and no trace in the queue [G11, G12]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    await a.claim("robot");
    const { claim } = await b.queueUp("robot", { waitMs: 12_000 });
    const ended = vi.fn();
    claim.catch(ended);
    await lab.clock.advance(11_999);
    expect(ended).not.toHaveBeenCalled();
    await lab.clock.advance(1);
    expect(ended).toHaveBeenCalledTimes(1);
    const { pid, host, instance } = a.holder;
    await expect(claim).rejects.toMatchObject({
      code: "wait-timeout",
      details: { name: "robot", heldBy: { pid, host, instance }, since: 1_767_225_600_000 },
    });
    await expect(claim).rejects.toThrow(`Waited 12000 ms in vain. "robot" is held by ${host} (PID ${pid})`);
    expect(await queueIn(lab)).toEqual([]);
  });

  it("in vain behind other waiters is a timeout too", async () => {
    const { lab, held, waiters } = await queueOf(1);
    waiters[0]?.process.store.freeze();
    const { claim } = await lab.open().queueUp("robot", { waitMs: TURN_MS / 2 });
    await held.release();
    await lab.clock.advance(TURN_MS / 2);
    await expect(claim).rejects.toMatchObject({ code: "wait-timeout" });
  });

  it("by its signal is at once, keeps the reason, and leaves no trace [G12]", async () => {
    const { lab, held, waiters } = await queueOf(0);
    expect(waiters).toEqual([]);
    const controller = new AbortController();
    const { claim } = await lab.open().queueUp("robot", { signal: controller.signal });
    expect(await queueIn(lab)).toHaveLength(1);
    const before = lab.clock.timersPending;
    controller.abort(new Error("the operator pressed Ctrl-C"));
    await expect(claim).rejects.toMatchObject({ code: "aborted", cause: new Error("the operator pressed Ctrl-C") });
    await lab.clock.settle();
    expect(lab.clock.timersPending).toBe(before - 1);
    expect(await queueIn(lab)).toEqual([]);
    expect(getEventListeners(controller.signal, "abort")).toEqual([]);
    expect(held.held).toBe(true);
  });

  it("before it began changes nothing, though the name is free [G12]", async () => {
    const lab = new Lab();
    const a = lab.open();
    await expect(a.claim("robot", { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "aborted" });
    expect(await lab.everything()).toEqual([]);
  });

  it("that lands with the grant gives the name back [G12]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const controller = new AbortController();
    const pause = a.store.pauseNext("after", "commit");
    const claim = a.claim("robot", { signal: controller.signal });
    claim.catch(() => undefined);
    await pause.reached;
    controller.abort();
    pause.resume();
    await expect(claim).rejects.toMatchObject({ code: "aborted" });
    expect(a.registry.claimed("robot")).toBeUndefined();
    expect((await lab.record("robot")).token).toBeNull();
    await b.claim("robot");
  });

  it("after the grant does not end the claim", async () => {
    const controller = new AbortController();
    const claim = await new Lab().open().claim("robot", { signal: controller.signal });
    controller.abort();
    expect(claim.held).toBe(true);
    expect(claim.signal.aborted).toBe(false);
  });

  it("need not be: an endless wait ends by its signal alone [G12]", async () => {
    const { lab } = await queueOf(0);
    const controller = new AbortController();
    const { claim } = await lab
      .open()
      .queueUp("robot", { waitMs: Number.POSITIVE_INFINITY, signal: controller.signal });
    const ended = vi.fn();
    claim.catch(ended);
    await lab.clock.advance(20 * TTL_MS);
    expect(ended).not.toHaveBeenCalled();
    controller.abort();
    await expect(claim).rejects.toMatchObject({ code: "aborted" });
  });

  it("does not gather listeners on the caller's signal while it goes on [G12]", async () => {
    const { lab } = await queueOf(0);
    const { signal } = new AbortController();
    await lab.open().queueUp("robot", { signal });
    await lab.clock.advance(10 * TTL_MS);
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
  });

  it("by closing the registry is at once [G11, G12]", async () => {
    const { lab } = await queueOf(0);
    const b = lab.open();
    const { claim } = await b.queueUp("robot");
    await b.registry.close();
    const ended = vi.fn();
    claim.catch(ended);
    await lab.clock.settle();
    expect(ended).toHaveBeenCalledTimes(1);
    await expect(claim).rejects.toMatchObject({ code: "closed" });
    expect(await queueIn(lab)).toEqual([]);
  });

  it("by closing while the grant is on its way gives the name back", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const pause = a.store.pauseNext("after", "commit");
    const claim = a.claim("robot");
    claim.catch(() => undefined);
    await pause.reached;
    const closing = a.registry.close();
    pause.resume();
    await closing;
    await expect(claim).rejects.toMatchObject({ code: "closed" });
    await b.claim("robot");
  });
});

describe("what a waiter is told", () => {
  it("is whom it waits for, since and until when, and how many came before; again when that changes", async () => {
    const lab = new Lab();
    const [a, b, c] = [lab.open(), lab.open(), lab.open()];
    const since = lab.clock.wallMs();
    const held = await a.claim("robot");
    const [toldB, toldC] = [[] as WaitInfo[], [] as WaitInfo[]];
    const second = await b.queueUp("robot", { onWait: (info) => toldB.push(info) });
    const third = await c.queueUp("robot", { onWait: (info) => toldC.push(info) });
    const byA = { pid: a.holder.pid, host: a.holder.host, instance: a.instance };
    expect(toldB).toEqual([{ name: "robot", heldBy: byA, since, until: since + TTL_MS, ahead: 0 }]);
    expect(toldC).toEqual([{ name: "robot", heldBy: byA, since, until: since + TTL_MS, ahead: 1 }]);
    await lab.clock.advance(2 * HEARTBEAT_MS);
    expect([toldB.length, toldC.length]).toEqual([1, 1]);
    await held.release();
    const claim = await second.claim;
    await lab.clock.settle();
    expect(toldB).toHaveLength(1);
    expect(toldC.at(-1)).toMatchObject({ heldBy: { instance: b.instance }, ahead: 0 });
    await claim.release();
    await third.claim;
  });

  it("names nobody while the free name is kept for an earlier waiter", async () => {
    const { lab, held, waiters } = await queueOf(1);
    const told: WaitInfo[] = [];
    const { claim } = await lab.open().queueUp("robot", { onWait: (info) => told.push(info) });
    waiters[0]?.process.store.freeze();
    await held.release();
    await lab.clock.settle();
    expect(told.at(-1)).toEqual({ name: "robot", heldBy: null, since: null, until: null, ahead: 1 });
    await lab.clock.advance(TURN_MS + 1);
    await claim;
  });

  it("is nothing when the name is free, or when it does not wait", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const onWait = vi.fn();
    await a.claim("robot", { waitMs: 60_000, onWait });
    await expect(b.claim("robot", { onWait })).rejects.toMatchObject({ code: "held" });
    expect(onWait).not.toHaveBeenCalled();
  });

  it("by a listener that throws ends the wait with what it threw, and no trace", async () => {
    const { lab } = await queueOf(0);
    const onWait = (): never => {
      throw new Error("a bug in the program");
    };
    const { claim } = await lab.open().queueUp("robot", { onWait });
    await expect(claim).rejects.toThrow("a bug in the program");
    expect(await queueIn(lab)).toEqual([]);
  });
});

describe("closing a registry", () => {
  it("releases all that it holds, ends the claims, and may be done twice", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const claims = [await a.claim("robot"), await a.claim("arm")];
    const pending = lab.clock.timersPending;
    expect(pending).toBe(1);
    await Promise.all([a.registry.close(), a.registry.close()]);
    await a.registry[Symbol.asyncDispose]();
    expect(claims.map(({ held }) => held)).toEqual([false, false]);
    expect(lab.clock.timersPending).toBe(0);
    for (const name of ["robot", "arm"]) expect((await lab.record(name)).token).toBeNull();
    await b.claim("robot");
  });

  it("lets the store go though a release failed, and says so", async () => {
    const lab = new Lab();
    const a = lab.open();
    const registry = a.registry;
    await a.claim("robot");
    const other = await a.claim("arm");
    const close = vi.spyOn(a.store, "close");
    a.store.failNext("commit", { kind: "refuse", code: "unreachable" });
    const closing = registry.close();
    await expect(closing).rejects.toMatchObject({ code: "unreachable" });
    expect(close).toHaveBeenCalledTimes(1);
    expect(other.held).toBe(false);
    expect((await lab.record("arm")).token).toBeNull();
    vi.spyOn(registry, "close").mockResolvedValue();
  });

  it("`releaseAll` releases all, tells the first failure when all have been tried, and leaves the registry open", async () => {
    const lab = new Lab();
    const a = lab.open();
    const claims = [await a.claim("a"), await a.claim("b"), await a.claim("c")];
    a.store.failNext("commit", { kind: "refuse", code: "unreachable" });
    await expect(a.registry.releaseAll()).rejects.toMatchObject({ code: "unreachable" });
    expect(claims.map(({ held }) => held)).toEqual([false, false, false]);
    expect([
      (await lab.record("a")).token === null,
      (await lab.record("b")).token,
      (await lab.record("c")).token,
    ]).toEqual([false, null, null]);
    await a.registry.releaseAll();
    expect((await lab.record("a")).token).toBeNull();
    expect((await a.claim("a")).deadlineInMs).toBe(HOLD_MS);
  });
});
