import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Lab } from "./lab.ts";
import { delay } from "./lab.ts";
import { newUlid, Presence, probePresence, systemClock } from "./product.ts";

export const holderCases: Readonly<Record<string, (lab: Lab) => Promise<void>>> = {
  "a name that a living process holds is refused to another, with its holder": async (lab) => {
    const holder = lab.puppet("hold", lab.registryPath, "arm");
    await holder.said(/^held/m);
    const { status, stderr } = await lab.cli("run", "arm", "--", process.execPath, "--version").ended;
    assert.equal(status, 75, stderr);
    assert.match(stderr, new RegExp(`PID ${holder.pid}`));
  },

  "a killed holder's name is free at once, with the same ID and a higher token": async (lab) => {
    const holder = lab.puppet("hold", lab.registryPath, "arm");
    const [, id, token] = await holder.said(/^held (\S+) (\d+)$/m);
    holder.kill();
    await holder.ended;
    const claim = await lab.claim("arm");
    assert.equal(claim.id, id);
    assert.ok(claim.token > Number(token));
  },

  "who waits is woken when the holder is killed": async (lab) => {
    const holder = lab.puppet("hold", lab.registryPath, "arm");
    await holder.said(/^held/m);
    const waiting = lab.claim("arm", 20_000);
    await delay(500);
    const killedAt = performance.now();
    holder.kill();
    assert.equal((await waiting).held, true);
    assert.ok(performance.now() - killedAt < 5_000);
  },

  "three processes that want one name have it one after the other, with rising tokens": async (lab) => {
    const logPath = join(lab.directory, "log");
    const churning = [1, 2, 3].map(() => lab.puppet("churn", lab.registryPath, "arm", "8", logPath));
    for (const { status, stderr } of await Promise.all(churning.map((it) => it.ended))) assert.equal(status, 0, stderr);
    const lines = readFileSync(logPath, "utf8").trim().split("\n");
    assert.equal(lines.length, 48);
    let last = 0;
    for (let i = 0; i < lines.length; i += 2) {
      assert.equal(lines[i + 1], lines[i]?.replace("begin", "end"), "two at once");
      const token = Number(lines[i]?.split(" ")[3]);
      assert.ok(token > last);
      last = token;
    }
  },

  "whenever a writer is killed, the file is whole, and every ID stays": async (lab) => {
    const ids = new Map<string, string>();
    for (let round = 0; round < 8; round += 1) {
      const writer = lab.puppet("churn", lab.registryPath, `arm_${round % 4}`, "1000", join(lab.directory, "log"));
      await writer.said(/^first/m);
      await delay(round * 40);
      writer.kill();
      await writer.ended;
      const { entries } = JSON.parse(readFileSync(lab.registryPath, "utf8")) as {
        readonly entries: Readonly<Record<string, { readonly id: string }>>;
      };
      for (const [name, { id }] of Object.entries(entries)) {
        assert.equal(ids.get(name) ?? id, id);
        ids.set(name, id);
      }
      for (const name of ids.keys()) assert.ok(name in entries, `${name} was lost`);
    }
    assert.equal(ids.size, 4);
  },

  "a presence is alive, with the age of its last beat, then dead, then replaced": async ({ directory }) => {
    const holders = join(directory, "holders");
    const holder = { instance: newUlid(), pid: process.pid, host: "here", ttlMs: 30_000 };
    const now = () => systemClock.monotonicMs();
    const presence = Presence.create(holders, holder, { nowMs: now() });
    const alive = probePresence(holders, holder.instance, now());
    assert.equal(alive.kind, "alive");
    assert.ok(alive.kind === "alive" && alive.beatAgeMs !== undefined && alive.beatAgeMs < 5_000);
    assert.throws(() => Presence.create(holders, holder, { nowMs: now() }), { code: "held" });
    presence.close();
    assert.equal(probePresence(holders, holder.instance, now()).kind, "dead");
    const again = Presence.create(holders, holder, { nowMs: now() });
    assert.equal(probePresence(holders, holder.instance, now()).kind, "alive");
    again.remove();
    assert.equal(probePresence(holders, holder.instance, now()).kind, "none");
  },
};
