import { describe, expect, it, vi } from "vitest";
import { NameholdError, RegistryError, RegistryLockError } from "../../src/core/errors.js";
import type { ClaimOptions } from "../../src/registry/registry.js";
import { HEARTBEAT_MS, HOLD_MS, Lab, TTL_MS } from "./lab.js";

const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

describe("a claim", () => {
  it("of a new name makes an ID, of a known one keeps it, with a greater token each time [G1, G3]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const first = await a.claim("robot", { type: "module", metadata: { slot: 1 } });
    expect(first).toMatchObject({ name: "robot", isNew: true, held: true });
    expect(first.id).toMatch(ULID);
    expect(await lab.record("robot")).toMatchObject({
      token: first.token,
      entry: { id: first.id, componentType: "module", metadata: { slot: 1 }, lock: { holderInstance: a.instance } },
    });
    await first.release();
    const second = await b.claim("robot", { type: "module", metadata: { tip: "p20" } });
    expect(second).toMatchObject({ id: first.id, isNew: false });
    expect(second.token).toBeGreaterThan(first.token);
    expect((await lab.record("robot")).entry.metadata).toEqual({ slot: 1, tip: "p20" });
  });

  it("of a held name is refused with by whom, since when and until when [G2, G11]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const since = lab.clock.wallMs();
    await a.claim("robot");
    await lab.clock.advance(HEARTBEAT_MS);
    const before = await lab.everything();
    const error = await failureOf(b.claim("robot"));
    expect(error).toBeInstanceOf(RegistryLockError);
    expect(error.code).toBe("held");
    const { pid, host, instance } = a.holder;
    expect(error.details).toEqual({
      name: "robot",
      heldBy: { pid, host, instance },
      since,
      until: lab.clock.wallMs() + TTL_MS,
    });
    expect(error.message).toContain(`"robot" is held by ${host} (PID ${pid}) since 2026-01-01T00:00:00.000Z`);
    expect(await lab.everything()).toEqual(before);
  });

  it("of a name that this process holds itself is refused too [G2]", async () => {
    const lab = new Lab();
    const a = lab.open();
    const claim = await a.claim("robot");
    const error = await failureOf(a.claim("robot"));
    expect(error).toMatchObject({ code: "held", details: { heldBy: { instance: a.instance } } });
    expect(a.registry.claimed("robot")).toBe(claim);
    expect(claim.held).toBe(true);
  });

  it("of several processes, or several times in one, is given to one alone [G2]", async () => {
    const lab = new Lab();
    const [a, ...others] = [lab.open(), lab.open(), lab.open(), lab.open()];
    const asked = [a, a, a, ...others].map((process) => process.claim("robot"));
    const answers = await Promise.allSettled(asked);
    expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const answer of answers) {
      if (answer.status === "rejected") expect(answer.reason).toMatchObject({ code: "held" });
    }
  });

  it("of another type is refused and changes nothing, unless the mismatch is allowed", async () => {
    const lab = new Lab();
    const a = lab.open();
    const id = await a.registry.resolve("robot", { type: "node" });
    const before = await lab.everything();
    const error = await failureOf(a.claim("robot", { type: "manager" }));
    expect(error).toBeInstanceOf(RegistryError);
    expect(error).toMatchObject({ code: "type-mismatch", details: { name: "robot" } });
    expect(error.message).toContain('"robot" is registered as a node, not as a manager');
    expect(await lab.everything()).toEqual(before);
    const claim = await a.claim("robot", { type: "manager", allowTypeMismatch: true });
    expect(claim.id).toBe(id);
    expect((await lab.record("robot")).entry.componentType).toBe("node");
  });

  it("of another type is refused as that, not as held", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    await a.claim("robot");
    const refused = b.claim("robot", { type: "manager", waitMs: 60_000 });
    await expect(refused).rejects.toMatchObject({ code: "type-mismatch" });
    const held = b.claim("robot", { type: "manager", allowTypeMismatch: true });
    await expect(held).rejects.toMatchObject({ code: "held" });
  });

  it("of a name whose holder is proved dead is given at once [G6]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const dead = await a.claim("robot");
    a.kill();
    const claim = await b.claim("robot");
    expect(claim.id).toBe(dead.id);
    expect(claim.token).toBeGreaterThan(dead.token);
  });

  it("is not given while the holder refreshes, whatever the wall clock says [G7]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const claim = await a.claim("robot");
    for (const step of [3_600_000, -7_200_000]) {
      lab.clock.stepWall(step);
      await expect(b.claim("robot")).rejects.toMatchObject({ code: "held" });
      await lab.clock.advance(TTL_MS);
      await expect(b.claim("robot")).rejects.toMatchObject({ code: "held" });
    }
    expect(claim.held).toBe(true);
  });

  it("starts again from what is there when somebody changed the entry in between [G9]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const id = await b.registry.resolve("robot", { type: "node" });
    const pause = a.store.pauseNext("before", "commit");
    const claiming = a.claim("robot", { metadata: { a: 1 } });
    await pause.reached;
    await b.registry.resolve("robot", { type: "node", metadata: { b: 2 } });
    pause.resume();
    expect((await claiming).id).toBe(id);
    expect((await lab.record("robot")).entry.metadata).toEqual({ a: 1, b: 2 });
  });

  it("that finds its holder alive after all does not take the name [G5, G7]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const claim = await a.claim("robot");
    a.store.freeze();
    await lab.clock.advance(TTL_MS);
    const pause = b.store.pauseNext("before", "commit");
    const taking = failureOf(b.claim("robot"));
    await pause.reached;
    // A refresh that was sent in time and arrives now.
    a.store.thaw();
    await lab.clock.settle();
    pause.resume();
    expect(await taking).toMatchObject({ code: "held", details: { heldBy: { instance: a.instance } } });
    expect((await lab.record("robot")).token).toBe(claim.token);
    expect(claim.held).toBe(false);
  });

  it("fails with the store's own fault, and leaves nothing behind [G11]", async () => {
    const lab = new Lab();
    const a = lab.open();
    for (const verb of ["read", "commit"] as const) {
      for (const code of ["unreachable", "busy", "storage-failed"] as const) {
        a.store.failNext(verb, { kind: "refuse", code });
        await expect(a.claim("robot")).rejects.toMatchObject({ code });
      }
    }
    expect(await lab.everything()).toEqual([]);
    expect(lab.clock.timersPending).toBe(0);
    await a.claim("robot");
  });

  it("is refused by a registry that is closed [G11]", async () => {
    const lab = new Lab();
    const a = lab.open();
    await a.registry.close();
    await expect(a.claim("robot")).rejects.toMatchObject({ code: "closed" });
  });
});

describe("a grant whose answer comes after its own deadline", () => {
  it("is given back, and asked for again by who has time left [G4, G5]", async () => {
    const lab = new Lab();
    const a = lab.open();
    const pause = a.store.pauseNext("after", "commit");
    const claiming = a.claim("robot", { waitMs: 2 * TTL_MS });
    await pause.reached;
    const tooLate = await lab.record("robot");
    lab.clock.stall(HOLD_MS);
    pause.resume();
    const claim = await claiming;
    expect(claim.held).toBe(true);
    expect(claim.token).toBeGreaterThan(tooLate.token ?? 0);
  });
});

describe("a name that this process has written last", () => {
  it("is released, and claimed again, without a look at it", async () => {
    const lab = new Lab();
    const a = lab.open();
    const first = await a.claim("robot");
    const read = vi.spyOn(a.store, "read");
    await first.release();
    const second = await a.claim("robot");
    expect(second.token).toBeGreaterThan(first.token);
    await second.release();
    expect(read).not.toHaveBeenCalled();
  });

  it("is looked at again when somebody else has taken it meanwhile [G2]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    await (await a.claim("robot")).release();
    await b.claim("robot");
    await expect(a.claim("robot")).rejects.toMatchObject({
      code: "held",
      details: { heldBy: { instance: b.instance } },
    });
  });

  it("is looked at again when it is claimed as another type: an import may have changed it [G11]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const { id } = await a.claim("robot");
    await a.registry.claimed("robot")?.release();
    const data = { entries: { robot: { id, component_type: "module" } } };
    await b.registry.importEntries(data, { merge: false });
    await expect(a.claim("robot", { type: "module" })).resolves.toMatchObject({ held: true, id });
  });
});

describe("a claim whose reply is lost", () => {
  it("is read back and given when it was done, with its deadline from when it was sent [G2, G4]", async () => {
    const lab = new Lab();
    const a = lab.open();
    a.store.failNext("commit", { kind: "drop-reply" });
    const pause = a.store.pauseNext("after", "commit");
    const claiming = a.claim("robot");
    await pause.reached;
    lab.clock.stall(700);
    pause.resume();
    const claim = await claiming;
    expect(claim).toMatchObject({ isNew: true, held: true, deadlineInMs: HOLD_MS - 700 });
    expect(await lab.record("robot")).toMatchObject({ token: claim.token, entry: { id: claim.id } });
    await lab.clock.advance(2 * TTL_MS);
    expect(claim.held).toBe(true);
  });

  it("is sent again when it was not done", async () => {
    const lab = new Lab();
    const a = lab.open();
    vi.spyOn(a.store, "commit").mockResolvedValueOnce({ kind: "unknown", cause: "no reply" });
    const claim = await a.claim("robot");
    expect(claim.held).toBe(true);
    expect((await lab.record("robot")).token).toBe(claim.token);
  });

  it("leaves nothing behind that stands in the next claim's way, when it could not be looked for [G3, G6]", async () => {
    const lab = new Lab();
    const a = lab.open();
    await a.claim("other");
    // Known to this process from now on: the claim does not look before its grant, and once after it.
    await a.registry.resolve("robot", { type: "node" });
    a.store.failNext("commit", { kind: "drop-reply" });
    a.store.failNext("read", { kind: "drop-request" });
    await expect(a.claim("robot")).rejects.toMatchObject({ code: "unreachable" });
    const orphan = await lab.record("robot");
    expect(orphan.token).not.toBeNull();
    const claim = await a.claim("robot");
    expect(claim.held).toBe(true);
    expect(claim.token).toBeGreaterThan(orphan.token ?? 0);
    await lab.clock.advance(2 * TTL_MS);
    expect(claim.held).toBe(true);
  });

  it("is found though it was written only after it was looked for [G6]", async () => {
    const lab = new Lab();
    const a = lab.open();
    await a.registry.resolve("robot", { type: "node" });
    const { commit } = a.store;
    let arrive: (() => Promise<unknown>) | undefined;
    vi.spyOn(a.store, "commit").mockImplementationOnce(async (change) => {
      arrive = () => commit.call(a.store, change);
      return { kind: "unknown", cause: "no reply" };
    });
    const { read } = a.store;
    vi.spyOn(a.store, "read").mockImplementation(async (name) => {
      const looked = await read.call(a.store, name);
      await arrive?.();
      arrive = undefined;
      return looked;
    });
    const claim = await a.claim("robot");
    expect(claim.held).toBe(true);
    expect((await lab.record("robot")).token).toBe(claim.token);
  });

  it("is not asked for without an end by who has no time left [G11, G12]", async () => {
    const lab = new Lab();
    const a = lab.open();
    const commit = vi.spyOn(a.store, "commit").mockResolvedValue({ kind: "unknown", cause: "no reply" });
    await expect(a.claim("robot")).rejects.toMatchObject({ code: "outcome-unknown", details: { name: "robot" } });
    expect(commit).toHaveBeenCalledTimes(2);
  });

  it("is refused when another came first [G2]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    vi.spyOn(a.store, "commit").mockImplementationOnce(async () => {
      await b.claim("robot");
      return { kind: "unknown", cause: "no reply" };
    });
    await expect(a.claim("robot")).rejects.toMatchObject({
      code: "held",
      details: { heldBy: { instance: b.instance } },
    });
  });

  it("is not taken for a claim of the same process whose own reply is still on its way [G2]", async () => {
    const lab = new Lab();
    const a = lab.open();
    await a.registry.resolve("robot", { type: "node" });
    const firstSends = a.store.pauseNext("before", "commit");
    const first = a.claim("robot");
    await firstSends.reached;
    lab.clock.stall(1_000);
    a.store.failNext("commit", { kind: "drop-reply" });
    const secondSends = a.store.pauseNext("before", "commit");
    const second = a.claim("robot");
    second.catch(() => undefined);
    await Promise.race([secondSends.reached, lab.clock.settle()]);
    const firstIsAnswered = a.store.pauseNext("after", "commit");
    firstSends.resume();
    await firstIsAnswered.reached;
    secondSends.resume();
    await lab.clock.settle();
    firstIsAnswered.resume();
    const answers = await Promise.allSettled([first, second]);
    const given = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
    expect(given).toHaveLength(1);
    expect(given[0]?.deadlineInMs).toBe(HOLD_MS - 1_000);
    for (const answer of answers) {
      if (answer.status === "rejected") expect(answer.reason).toMatchObject({ code: "held" });
    }
  });

  it("and that cannot be read back either fails as that [G11]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    await a.registry.resolve("robot", { type: "node" });
    a.store.failNext("commit", { kind: "drop-reply" });
    const pause = a.store.pauseNext("after", "commit");
    const claiming = failureOf(a.claim("robot"));
    await pause.reached;
    a.store.failNext("read", { kind: "refuse", code: "unreachable" });
    pause.resume();
    expect(await claiming).toMatchObject({ code: "unreachable" });
    await lab.clock.advance(TTL_MS);
    await b.claim("robot");
  });
});

describe("what a claim is asked with", () => {
  const OPTIONS: readonly (readonly [
    what: string,
    options: Partial<Record<keyof ClaimOptions, unknown>>,
    says: string,
  ])[] = [
    [
      "no type",
      { type: undefined },
      "A component type is one of node, module, manager, experiment, workcell, not undefined",
    ],
    ["an unknown type", { type: "robot" }, 'not "robot"'],
    ["a negative wait", { waitMs: -1 }, "waitMs must be 0 or more milliseconds, not -1"],
    ["a wait that is no number", { waitMs: Number.NaN }, "not NaN"],
    ["a wait that is text", { waitMs: "60s" }, "not 60s"],
    ["an endless wait that nothing can cancel", { waitMs: Number.POSITIVE_INFINITY }, "give a signal"],
    ["metadata that are a list", { metadata: [] }, "Metadata must be an object"],
    ["metadata that are null", { metadata: null }, "Metadata must be an object"],
    ["metadata with undefined in them", { metadata: { a: { b: undefined } } }, "a.b: a value of type undefined"],
    ["metadata with a big integer", { metadata: { a: [1n] } }, "a[0]: a value of type bigint"],
    ["metadata with NaN", { metadata: { x: Number.NaN } }, "x: NaN is not a JSON number"],
    ["metadata with a date", { metadata: { at: new Date(0) } }, "at: only plain objects and lists"],
    ["too many metadata", { metadata: { blob: "x".repeat(1024 * 1024) } }, "at most 1048576 are allowed"],
  ];

  it.each(OPTIONS)("%s is refused as invalid, and nothing is written [G12]", async (_, options, says) => {
    const lab = new Lab();
    const a = lab.open();
    const before = await lab.everything();
    const asked = { type: "node", ...options } as unknown as ClaimOptions;
    const error = await failureOf(a.registry.claim("robot", asked));
    expect(error.code).toBe("invalid-input");
    expect(error.message).toContain(says);
    expect(await lab.everything()).toEqual(before);
  });

  it("metadata that contain themselves are refused [G12]", async () => {
    const metadata: Record<string, never> = {};
    Object.assign(metadata, { inner: { outer: metadata } });
    const error = await failureOf(new Lab().open().claim("robot", { metadata }));
    expect(error).toMatchObject({ code: "invalid-input" });
    expect(error.message).toContain("contains itself");
  });

  it.each<unknown>([undefined, null, 7, {}])("%s is no name [G12]", async (name) => {
    const error = await failureOf(new Lab().open().claim(name as string));
    expect(error).toMatchObject({ code: "invalid-input" });
    expect(error.message).toContain("A name must be a string");
  });

  it("a name may be 1024 characters long, and no longer [G12]", async () => {
    const lab = new Lab();
    const a = lab.open();
    expect((await a.claim("x".repeat(1024))).held).toBe(true);
    const error = await failureOf(a.claim("y".repeat(1025)));
    expect(error).toMatchObject({ code: "invalid-input" });
    expect(error.message).toContain("is 1025 characters long; at most 1024 are allowed");
    expect(await lab.everything()).toHaveLength(1);
  });

  const ODD_NAMES = [
    "",
    "__proto__",
    "constructor",
    "toString",
    "10",
    "2",
    "a/../b",
    "two\nlines",
    "\u00e9",
    "e\u0301",
    "\0",
    "💧",
    "\ud800",
  ];

  it("odd names are names like others, each its own", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const claims = new Map<string, string>();
    for (const name of ODD_NAMES) claims.set(name, (await a.claim(name)).id);
    expect(new Set(claims.values()).size).toBe(ODD_NAMES.length);
    for (const name of ODD_NAMES) {
      await expect(b.claim(name)).rejects.toMatchObject({ code: "held" });
      expect(await b.registry.lookup(name)).toBe(claims.get(name));
    }
    const listed: string[] = [];
    for await (const { name } of b.registry.list()) listed.push(name);
    expect(listed).toEqual(ODD_NAMES);
    await lab.clock.advance(TTL_MS);
    for (const name of ODD_NAMES) expect(a.registry.claimed(name)?.held).toBe(true);
    await a.registry.releaseAll();
    for (const name of ODD_NAMES) expect((await b.claim(name)).id).toBe(claims.get(name));
  });

  it("odd keys of metadata are kept like others", async () => {
    const lab = new Lab();
    const metadata = JSON.parse('{"__proto__": 1, "constructor": {"__proto__": []}, "": null, "10": 0, "2": 0}');
    await lab.open().claim("robot", { metadata });
    expect(JSON.stringify((await lab.record("robot")).entry.metadata)).toBe(JSON.stringify(metadata));
  });
});

async function failureOf(promise: Promise<unknown>): Promise<NameholdError> {
  const error: unknown = await promise.then(
    (value) => new Error(`it succeeded: ${String(value)}`),
    (reason: unknown) => reason,
  );
  if (error instanceof NameholdError) return error;
  throw error;
}
