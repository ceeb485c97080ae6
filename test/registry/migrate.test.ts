import { describe, expect, it, vi } from "vitest";
import type { PastHold } from "../../src/core/history.js";
import { type MigrateOptions, type MigrateReport, migrate } from "../../src/registry/migrate.js";
import { Registry } from "../../src/registry/registry.js";
import type { ChangePart } from "../../src/stores/store.js";
import { Lab, type LabProcess } from "./lab.js";

const NODE = { type: "node" } as const;
const ID = "01JQ000000000000000000000A";
const OTHER_ID = "01JQ000000000000000000000B";
const HOUR_MICROS = 3_600_000_000;
/** More than are moved in one write. */
const MANY = 4_500;

/** What a JavaScript object could not carry. */
const FOREIGN_ENTRY = `{ "id": "${ID}", "component_type": "module", "created_at": "2024-02-29T23:59:59.123456Z",
  "last_seen": "2025-12-31 01:02:03+01:00", "metadata": {"volume": 1.0, "serial": 123456789012345678901234567890},
  "lock": null, "workcell_id": "wc_1", "from_the_future": [1.50] }`;

/** Two labs, as two stores: what is moved from one to the other. */
class Move {
  readonly source = new Lab();
  readonly target = new Lab();
  readonly from = this.source.open();
  readonly to = this.target.open();

  run(options: MigrateOptions = {}): Promise<MigrateReport> {
    return migrate(this.from.registry, elsewhere(this.to), options);
  }
}

/** Something happens when all was compared and nothing is written yet; the move must then fail. */
async function expectFailure(move: Move, change: () => Promise<unknown>, code: string): Promise<void> {
  const pause = move.to.store.pauseNext("before", "commit");
  const moving = move.run();
  moving.catch(() => undefined);
  await pause.reached;
  await change();
  pause.resume();
  await expect(moving).rejects.toMatchObject({ code });
}

/** All memory stores have one location. */
function elsewhere({ registry }: LabProcess): Registry {
  return new Registry("another memory", registry.store, registry.lockManager);
}

async function put(process: LabProcess, entries: Readonly<Record<string, string>>): Promise<void> {
  const parts = Object.entries(entries).map(
    ([name, source]): ChangePart => ({ kind: "put", name, expect: "absent", write: { source } }),
  );
  await process.store.commit({ holder: process.holder, parts });
}

function manyEntries(count: number): Readonly<Record<string, string>> {
  const entry = (index: number): string =>
    `{"id": "01JQ0000000000000000${String(index).padStart(6, "0")}", "component_type": "node", "created_at": "2025-01-01T00:00:00Z", "last_seen": "2025-01-01T00:00:00Z"}`;
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`node_${index}`, entry(index)]));
}

async function historyOf({ store }: LabProcess): Promise<readonly PastHold[]> {
  const found: PastHold[] = [];
  for await (const hold of store.history({})) found.push(hold);
  return found;
}

async function names({ registry }: LabProcess): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const { name } of registry.list()) found.push(name);
  return found;
}

describe("moving a registry", () => {
  it("carries every entry over to the letter, with a checksum of both [G1, G10]", async () => {
    const move = new Move();
    await put(move.from, { "": FOREIGN_ENTRY, __proto__x: `{"id": "${OTHER_ID}", "component_type": "node"}` });
    const report = await move.run();
    expect(report).toMatchObject({ entries: 2, moved: 2, heldNames: [] });
    expect(report.checksum).toMatch(/^[0-9a-f]{64}$/);
    expect((await move.target.record("")).source).toBe(FOREIGN_ENTRY);
    expect((await move.target.record("__proto__x")).entry.id).toBe(OTHER_ID);
    expect(await names(move.from)).toHaveLength(2);
  });

  it("has another checksum for other contents", async () => {
    const [one, other] = [new Move(), new Move()];
    await put(one.from, { a: FOREIGN_ENTRY });
    await put(other.from, { a: FOREIGN_ENTRY.replace("1.0", "1.00") });
    expect((await one.run()).checksum).not.toBe((await other.run()).checksum);
  });

  it("never lets a token fall, though the source's are ahead of all clocks [G3]", async () => {
    const move = new Move();
    const ahead = (await move.from.store.lastToken()) + move.source.clock.wallMs() * 1_000 + 9 * HOUR_MICROS;
    await move.from.store.commit({ holder: move.from.holder, parts: [], tokenFloor: ahead });
    const claim = await move.from.registry.claim("robot", NODE);
    expect(claim.token).toBeGreaterThan(ahead);
    await claim.release();
    await move.run();
    expect((await move.to.registry.claim("robot", NODE)).token).toBeGreaterThan(claim.token);
  });

  it("brings the history along, once", async () => {
    const move = new Move();
    for (let life = 0; life < 3; life += 1) {
      const claim = await move.from.registry.claim("robot", NODE);
      await move.source.clock.advance(1_000);
      await claim.release();
    }
    expect((await move.run()).holds).toBe(3);
    await move.run();
    expect(await historyOf(move.to)).toEqual(await historyOf(move.from));
  });

  it("says how many holds the target could not keep", async () => {
    const move = new Move();
    for (let life = 0; life < 3; life += 1) await (await move.from.registry.claim("robot", NODE)).release();
    const { store } = move.to;
    const kept = vi.spyOn(store, "history").mockImplementation(async function* (query) {
      for await (const hold of move.target.memory.history(query)) if (hold.token !== newest) yield hold;
    });
    const newest = (await historyOf(move.from))[0]?.token;
    expect(await move.run()).toMatchObject({ holds: 2, holdsLost: 1 });
    expect(kept).toHaveBeenCalled();
  });

  it("is refused while a name is held, by whom, and nothing is moved [G2]", async () => {
    const move = new Move();
    const claim = await move.source.open().registry.claim("robot", NODE);
    await expect(move.run()).rejects.toMatchObject({ code: "held", details: { name: "robot" } });
    expect(await names(move.to)).toEqual([]);
    expect(claim.held).toBe(true);
  });

  it("by force tells the holders in the source to stop, and moves no lock [G4]", async () => {
    const move = new Move();
    const claim = await move.source.open().registry.claim("robot", NODE);
    expect(await move.run({ force: true })).toMatchObject({ entries: 1, heldNames: ["robot"] });
    await move.source.clock.advance(10_000);
    expect(claim.loss).toMatchObject({ reason: "revoked", detail: expect.stringContaining("another memory") });
    expect((await move.target.record("robot")).entry.lock).toBeNull();
  });

  it("is refused when the target has another ID for a name, by force too, and nothing is moved [G1]", async () => {
    const move = new Move();
    await put(move.from, { a: `{"id": "${ID}", "component_type": "node"}`, b: FOREIGN_ENTRY.replace(ID, OTHER_ID) });
    await put(move.to, { b: FOREIGN_ENTRY });
    for (const force of [false, true]) {
      await expect(move.run({ force })).rejects.toMatchObject({ code: "already-exists", details: { name: "b" } });
    }
    expect(await names(move.to)).toEqual(["b"]);
    expect((await move.target.record("b")).entry.id).toBe(ID);
  });

  it("leaves other contents of the target alone, unless it is forced [G10]", async () => {
    const move = new Move();
    await put(move.from, { a: FOREIGN_ENTRY });
    await put(move.to, { a: FOREIGN_ENTRY.replace("wc_1", "wc_2") });
    await expect(move.run()).rejects.toMatchObject({ code: "already-exists" });
    expect((await move.target.record("a")).entry.workcellId).toBe("wc_2");
    expect(await move.run({ force: true })).toMatchObject({ moved: 1 });
    expect((await move.target.record("a")).source).toBe(FOREIGN_ENTRY);
  });

  it("never writes over a name that is held in the target [G7]", async () => {
    const move = new Move();
    await put(move.from, { a: FOREIGN_ENTRY });
    await put(move.to, { a: FOREIGN_ENTRY.replace("wc_1", "wc_2") });
    const claim = await move.target.open().registry.claim("a", { type: "module" });
    await expect(move.run({ force: true })).rejects.toMatchObject({ code: "held" });
    expect(claim.held).toBe(true);
    expect((await move.target.record("a")).entry.workcellId).toBe("wc_2");
  });

  it("that was done can be done again while the target is in use, and changes nothing", async () => {
    const move = new Move();
    await put(move.from, { a: FOREIGN_ENTRY });
    const first = await move.run();
    const claim = await move.target.open().registry.claim("a", { type: "module" });
    expect(await move.run()).toEqual({ ...first, moved: 0 });
    expect(claim.held).toBe(true);
  });

  it("that was cancelled half way goes on where it ended [G12]", async () => {
    const move = new Move();
    await put(move.from, manyEntries(MANY));
    const controller = new AbortController();
    const told: number[] = [];
    const onProgress: MigrateOptions["onProgress"] = (doing, done) => {
      told.push(done);
      if (doing === "moving entries") controller.abort();
    };
    await expect(move.run({ onProgress, signal: controller.signal })).rejects.toMatchObject({ code: "aborted" });
    const halfWay = (await names(move.to)).length;
    expect(halfWay).toBeGreaterThan(0);
    expect(halfWay).toBeLessThan(MANY);
    expect(await move.run()).toMatchObject({ entries: MANY, moved: MANY - halfWay });
    expect(await names(move.to)).toHaveLength(MANY);
  });

  it("says so when an entry was added to the source meanwhile, and goes on when it is repeated [G9]", async () => {
    const move = new Move();
    await put(move.from, { a: FOREIGN_ENTRY });
    await expectFailure(move, () => move.from.registry.resolve("late", NODE), "busy");
    expect(await move.run()).toMatchObject({ entries: 2, moved: 1 });
  });

  it("says so when a name of the source was taken meanwhile [G2]", async () => {
    const move = new Move();
    await put(move.from, { a: FOREIGN_ENTRY });
    await expectFailure(move, () => move.from.registry.claim("a", { type: "module" }), "held");
  });

  it("says so when the target was written to meanwhile, and leaves what was written [G9]", async () => {
    const move = new Move();
    await put(move.from, { a: FOREIGN_ENTRY });
    await expectFailure(move, () => put(move.target.open(), { a: FOREIGN_ENTRY.replace("wc_1", "wc_2") }), "busy");
    expect((await move.target.record("a")).entry.workcellId).toBe("wc_2");
  });

  it("from a source without entries is refused, and to itself as well [G11]", async () => {
    const move = new Move();
    await expect(move.run()).rejects.toMatchObject({ code: "not-found" });
    await expect(migrate(move.from.registry, move.from.registry)).rejects.toMatchObject({ code: "invalid-input" });
  });
});
