import { describe, expect, it, onTestFinished } from "vitest";
import type { Loss } from "../../src/core/record.js";
import { later, type MonotonicMs } from "../../src/core/timing.js";
import { Heartbeat, type HeartbeatTarget, type Held } from "../../src/registry/heartbeat.js";
import { holdTiming } from "../../src/registry/hold-timing.js";
import { LockManager } from "../../src/registry/lock-manager.js";
import { HEARTBEAT_MS, HOLD_MS, Lab, RETRY_MS, StallingClock, storyOf, TTL_MS } from "./lab.js";

const NOTHING_LOST: ReadonlyMap<string, Loss> = new Map();

/** A target that answers at once, unless told to keep its answers back. */
class Target implements HeartbeatTarget {
  readonly batches: (readonly string[])[] = [];
  answer: (names: readonly string[]) => Promise<ReadonlyMap<string, Loss>> = async () => NOTHING_LOST;

  refreshLocks(names: readonly string[]): Promise<ReadonlyMap<string, Loss>> {
    this.batches.push(names);
    return this.answer(names);
  }

  /** From now on answers are kept back until the one that is returned is given. */
  hang(): PromiseWithResolvers<ReadonlyMap<string, Loss>> {
    const reply = Promise.withResolvers<ReadonlyMap<string, Loss>>();
    this.answer = () => reply.promise;
    return reply;
  }

  answersAgain(): void {
    this.answer = async () => NOTHING_LOST;
  }
}

class HeldName implements Held {
  readonly name: string;
  readonly endsAtDeadline = true;
  readonly story: string[] = [];
  deadline: MonotonicMs;

  constructor(name: string, deadline: MonotonicMs) {
    this.name = name;
    this.deadline = deadline;
  }

  refreshed(deadline: MonotonicMs): void {
    this.story.push("refreshed");
    this.deadline = deadline;
  }

  jeopardised(): void {
    this.story.push("jeopardy");
  }

  lost({ reason }: Loss): void {
    this.story.push(`lost: ${reason}`);
  }
}

function setUp() {
  const clock = new StallingClock();
  const heartbeat = new Heartbeat(clock, holdTiming(TTL_MS, HEARTBEAT_MS));
  const target = new Target();
  const hold = (name: string, at: HeartbeatTarget = target): HeldName => {
    const held = new HeldName(name, later(clock.monotonicMs(), HOLD_MS));
    heartbeat.start(held, at);
    return held;
  };
  return { clock, heartbeat, target, hold };
}

describe("the beat", () => {
  it("comes in time for a name that was granted long after it was asked for [G4]", async () => {
    const { clock, heartbeat, target, hold } = setUp();
    hold("early");
    const late = new HeldName("late", later(clock.monotonicMs(), 1_000));
    heartbeat.start(late, target);
    await clock.advance(1_500);
    expect(late.story).toEqual(["refreshed"]);
  });

  it("refreshes all names of a process with one timer and one call", async () => {
    const { clock, target, hold } = setUp();
    const names = Array.from({ length: 400 }, (_, index) => `node_${index}`);
    for (const name of names) hold(name);
    expect(clock.timersPending).toBe(1);
    await clock.advance(HEARTBEAT_MS);
    expect(target.batches).toEqual([names]);
    await clock.advance(2 * HEARTBEAT_MS);
    expect(target.batches).toHaveLength(3);
    expect(clock.timersPending).toBe(1);
  });

  it("asks no other name when one comes or goes, however many there are", () => {
    const { clock, heartbeat, target, hold } = setUp();
    for (let index = 0; index < 100; index += 1) hold(`node_${index}`);
    const watched = new HeldName("watched", later(clock.monotonicMs(), HOLD_MS));
    let asked = 0;
    const { deadline } = watched;
    Object.defineProperty(watched, "deadline", {
      get: () => {
        asked += 1;
        return deadline;
      },
    });
    heartbeat.start(watched, target);
    const askedAtStart = asked;
    for (let index = 100; index < 200; index += 1) hold(`node_${index}`);
    for (let index = 0; index < 100; index += 1) heartbeat.forget(`node_${index}`, target);
    expect(asked).toBe(askedAtStart);
  });

  it("takes a name that comes later into its next batch", async () => {
    const { clock, target, hold } = setUp();
    hold("a");
    await clock.advance(HEARTBEAT_MS - 1);
    hold("b");
    await clock.advance(1);
    expect(target.batches).toEqual([["a", "b"]]);
  });

  it("sets no timer when there is nothing to refresh", async () => {
    const { clock, heartbeat, target, hold } = setUp();
    hold("a");
    hold("b");
    heartbeat.forget("a", target);
    expect(clock.timersPending).toBe(1);
    heartbeat.forget("b", target);
    expect(clock.timersPending).toBe(0);
    await clock.advance(TTL_MS);
    expect(target.batches).toEqual([]);
  });

  it("counts a deadline from before the refresh was sent, not from its answer [G4]", async () => {
    const { clock, target, hold } = setUp();
    const held = hold("a");
    const sentAt = later(clock.monotonicMs(), HEARTBEAT_MS);
    const reply = target.hang();
    await clock.advance(HEARTBEAT_MS + 5_000);
    reply.resolve(NOTHING_LOST);
    await clock.settle();
    expect(held.deadline).toBe(later(sentAt, HOLD_MS));
  });

  it("does not ask a target again that still owes an answer, and goes on after it", async () => {
    const { clock, target, hold } = setUp();
    hold("a");
    const reply = target.hang();
    await clock.advance(HEARTBEAT_MS);
    hold("b");
    await clock.advance(HEARTBEAT_MS - 1);
    expect(target.batches).toEqual([["a"]]);
    target.answersAgain();
    reply.resolve(NOTHING_LOST);
    await clock.advance(1);
    expect(target.batches).toEqual([["a"], ["a", "b"]]);
  });

  it("makes up for the turn that a target missed as soon as it answers", async () => {
    const { clock, target, hold } = setUp();
    hold("a");
    const reply = target.hang();
    await clock.advance(HEARTBEAT_MS);
    const late = hold("late");
    await clock.advance(2 * HEARTBEAT_MS + 100);
    target.answersAgain();
    reply.resolve(NOTHING_LOST);
    await clock.settle();
    expect(target.batches).toEqual([["a"], ["late"]]);
    await clock.advance(HEARTBEAT_MS - 1);
    expect(late.story).toEqual(["refreshed"]);
    await clock.advance(1);
    expect(late.story).toEqual(["refreshed", "refreshed"]);
  });
});

describe("a refresh that fails", () => {
  it("puts the name in jeopardy, is tried again sooner, and success ends it [G4]", async () => {
    const { clock, target, hold } = setUp();
    const held = hold("a");
    target.answer = () => Promise.reject(new Error("unreachable"));
    await clock.advance(HEARTBEAT_MS);
    expect(held.story).toEqual(["jeopardy"]);
    await clock.advance(RETRY_MS - 1);
    expect(held.story).toEqual(["jeopardy"]);
    target.answersAgain();
    await clock.advance(1);
    expect(held.story).toEqual(["jeopardy", "refreshed"]);
    expect(held.deadline).toBe(later(clock.monotonicMs(), HOLD_MS));
    await clock.advance(HEARTBEAT_MS);
    expect(held.story).toEqual(["jeopardy", "refreshed", "refreshed"]);
  });

  it("is tried until the deadline, where the name is lost as expired, once, and no timer stays [G4]", async () => {
    const { clock, target, hold } = setUp();
    const held = hold("a");
    target.answer = () => Promise.reject(new Error("unreachable"));
    await clock.advance(HOLD_MS - 1);
    expect(new Set(held.story)).toEqual(new Set(["jeopardy"]));
    expect(held.story.length).toBeGreaterThan(5);
    await clock.advance(1);
    expect(held.story.filter((word) => word !== "jeopardy")).toEqual(["lost: expired"]);
    await clock.advance(TTL_MS);
    expect(held.story.at(-1)).toBe("lost: expired");
    expect(clock.timersPending).toBe(0);
  });

  it("does not end the loop when the target throws instead of rejecting", async () => {
    const { clock, target, hold } = setUp();
    const held = hold("a");
    target.answer = () => {
      throw new Error("thrown, not rejected");
    };
    await clock.advance(HEARTBEAT_MS);
    target.answersAgain();
    await clock.advance(RETRY_MS);
    expect(held.story).toEqual(["jeopardy", "refreshed"]);
  });
});

describe("a store that hangs", () => {
  it("loses the name as expired at its deadline, once, and a late success does not bring it back [G4]", async () => {
    const { clock, target, hold } = setUp();
    const held = hold("a");
    const reply = target.hang();
    await clock.advance(HOLD_MS - 1);
    expect(held.story).toEqual([]);
    await clock.advance(1);
    expect(held.story).toEqual(["lost: expired"]);
    reply.resolve(NOTHING_LOST);
    await clock.advance(2 * TTL_MS);
    expect(held.story).toEqual(["lost: expired"]);
    expect(target.batches).toHaveLength(1);
  });

  it("loses the name once when its answer, a loss, comes after the deadline [G4]", async () => {
    const { clock, target, hold } = setUp();
    const held = hold("a");
    const reply = target.hang();
    await clock.advance(HOLD_MS);
    reply.resolve(new Map([["a", { reason: "revoked" }]]));
    await clock.settle();
    expect(held.story).toEqual(["lost: expired"]);
  });

  it("does not give its late answer to a newer claim of the name [G4]", async () => {
    const { clock, target, hold } = setUp();
    hold("a");
    const reply = target.hang();
    await clock.advance(HOLD_MS);
    const newer = hold("a");
    target.answersAgain();
    reply.resolve(new Map([["a", { reason: "taken" }]]));
    await clock.advance(TTL_MS);
    expect(new Set(newer.story)).toEqual(new Set(["refreshed"]));
  });
});

describe("an answer that a name is lost", () => {
  const LOSSES: readonly Loss["reason"][] = ["taken", "revoked", "renamed", "removed"];

  it.each(LOSSES)("as %s drops that name alone", async (reason) => {
    const { clock, target, hold } = setUp();
    const [a, b, c] = [hold("a"), hold("b"), hold("c")];
    target.answer = async () => new Map([["b", { reason }]]);
    await clock.advance(HEARTBEAT_MS);
    target.answersAgain();
    await clock.advance(HEARTBEAT_MS);
    expect(target.batches).toEqual([
      ["a", "b", "c"],
      ["a", "c"],
    ]);
    expect(b.story).toEqual([`lost: ${reason}`]);
    expect(a.story).toEqual(["refreshed", "refreshed"]);
    expect(c.story).toEqual(a.story);
  });
});

describe("a stall", () => {
  it("ends what had expired before anything is refreshed, and refreshes the rest [G4]", async () => {
    const { clock, target, hold } = setUp();
    const old = hold("old");
    await clock.advance(8_000);
    const young = hold("young");
    clock.stall(21_000);
    await clock.advance(HEARTBEAT_MS - 8_000);
    expect(old.story).toEqual(["lost: expired"]);
    expect(young.story).toEqual(["refreshed"]);
    expect(target.batches).toEqual([["young"]]);
  });

  it("while an answer was on its way ends the name, though the answer is a success [G4]", async () => {
    const { clock, target, hold } = setUp();
    const held = hold("a");
    const reply = target.hang();
    await clock.advance(HEARTBEAT_MS);
    clock.stall(HOLD_MS);
    reply.resolve(NOTHING_LOST);
    await clock.settle();
    expect(held.story).toEqual(["lost: expired"]);
  });
});

describe("stopping and starting", () => {
  it("may be done twice", async () => {
    const { clock, heartbeat, target, hold } = setUp();
    hold("a");
    expect(heartbeat.resume("a", target)).toBe(true);
    expect(heartbeat.resume("a", target)).toBe(true);
    await clock.advance(HEARTBEAT_MS);
    expect(target.batches).toEqual([["a"]]);
    heartbeat.stop("a");
    heartbeat.stop("a");
    heartbeat.stop("never started");
    heartbeat.stopAll();
    heartbeat.stopAll();
    await clock.advance(HEARTBEAT_MS);
    expect(target.batches).toEqual([["a"]]);
    expect(heartbeat.resume("never started", target)).toBe(false);
  });

  it("a stopped name ends at its deadline, and the others go on [G4]", async () => {
    const { clock, heartbeat, target, hold } = setUp();
    const [stopped, other] = [hold("stopped"), hold("other")];
    heartbeat.stop("stopped");
    await clock.advance(HOLD_MS - 1);
    expect(stopped.story).toEqual([]);
    await clock.advance(1);
    expect(stopped.story).toEqual(["lost: expired"]);
    expect(other.story).toEqual(["refreshed", "refreshed"]);
    expect(target.batches).toEqual([["other"], ["other"]]);
  });

  it("a stopped name that is started again before its deadline goes on", async () => {
    const { clock, heartbeat, target, hold } = setUp();
    const held = hold("a");
    heartbeat.stop("a");
    await clock.advance(2 * HEARTBEAT_MS);
    expect(held.story).toEqual([]);
    expect(heartbeat.resume("a", target)).toBe(true);
    await clock.settle();
    expect(held.story).toEqual(["refreshed"]);
    await clock.advance(2 * TTL_MS);
    expect(new Set(held.story)).toEqual(new Set(["refreshed"]));
  });

  it("all at once ends all at their deadlines", async () => {
    const { clock, heartbeat, target, hold } = setUp();
    const [a, b] = [hold("a"), hold("b")];
    heartbeat.stopAll();
    await clock.advance(HOLD_MS);
    expect([a.story, b.story]).toEqual([["lost: expired"], ["lost: expired"]]);
    expect(target.batches).toEqual([]);
    expect(clock.timersPending).toBe(0);
  });
});

describe("several registries on one lock manager", () => {
  it("share its timer, and each is asked about its own names, equal ones too", async () => {
    const [one, two] = [new Lab(), new Lab()];
    const manager = new LockManager({ clock: one.clock });
    const [first, second] = [one.openFor(manager), two.openFor(manager)];
    const claims = [await first.claim("robot"), await second.claim("robot"), await second.claim("arm")];
    const stories = claims.map((claim) => storyOf(claim));
    expect(one.clock.timersPending).toBe(1);
    await one.clock.advance(HEARTBEAT_MS);
    expect(stories).toEqual([["refreshed"], ["refreshed"], ["refreshed"]]);
    await claims[0]?.release();
    await one.clock.advance(HEARTBEAT_MS);
    expect(stories).toEqual([["refreshed"], ["refreshed", "refreshed"], ["refreshed", "refreshed"]]);
  });

  it("do not wait for each other: one that hangs loses only its own names [G4]", async () => {
    const [one, two] = [new Lab(), new Lab()];
    const manager = new LockManager({ clock: one.clock });
    const [first, second] = [one.openFor(manager), two.openFor(manager)];
    const [hanging, healthy] = [await first.claim("robot"), await second.claim("robot")];
    first.store.freeze();
    await one.clock.advance(2 * TTL_MS);
    expect(hanging.loss).toEqual({ reason: "expired" });
    expect(healthy.held).toBe(true);
  });
});

describe("a listener that throws", () => {
  it("is the program's uncaught exception, and the loop goes on", async () => {
    const thrown: unknown[] = [];
    process.setUncaughtExceptionCaptureCallback((error) => thrown.push(error));
    onTestFinished(() => process.setUncaughtExceptionCaptureCallback(null));
    const lab = new Lab();
    const a = lab.open();
    const [rude, other] = [await a.claim("rude"), await a.claim("other")];
    const bug = new Error("a bug in the program");
    for (const event of ["refreshed", "jeopardy", "lost"] as const) {
      rude.on(event, () => {
        throw bug;
      });
    }
    const story = storyOf(other);
    await lab.clock.advance(HEARTBEAT_MS);
    a.store.failNext("heartbeat", { kind: "refuse", code: "unreachable" });
    await lab.clock.advance(HEARTBEAT_MS);
    await lab.open().registry.revoke("rude", { reason: "for repair" });
    await lab.clock.advance(HEARTBEAT_MS);
    expect(thrown).toEqual([bug, bug, bug]);
    expect(rude.loss?.reason).toBe("revoked");
    expect(story).toEqual(["refreshed", "jeopardy", "refreshed"]);
    await lab.clock.advance(HEARTBEAT_MS);
    expect(story.at(-1)).toBe("refreshed");
    expect(story).toHaveLength(4);
  });
});
