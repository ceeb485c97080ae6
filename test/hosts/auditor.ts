/**
 * When all workers are gone, every name must be there for the asking: claims each one, and journals the answers. Then
 * tells what is in the registry.
 */
import { writeFileSync } from "node:fs";
import { isNameholdError, openRegistry } from "namehold";
import { bootClockMs } from "../chaos/boot-clock.ts";
import { listedState } from "../chaos/final-state.ts";
import { createJournal } from "../chaos/journal.ts";
import type { AuditorSettings } from "./auditor-settings.ts";

const settings = JSON.parse(process.argv[2] ?? "") as AuditorSettings;
const { process: auditor, names, ttlMs, heartbeatMs, waitMs } = settings;
const journal = createJournal(settings.journalPath);
journal.write({ kind: "started", pid: process.pid, runtime: "namehold", at: bootClockMs() });
const registry = await openRegistry(settings.location, { lockTtlMs: ttlMs, heartbeatIntervalMs: heartbeatMs });
await Promise.all(names.map(claim));
await registry.close();
journal.write({ kind: "finished", at: bootClockMs() });
journal.close();
const { ids, counters } = await listedState(settings.location);
writeFileSync(settings.statePath, JSON.stringify({ ids: [...ids], counters: [...counters] }));

async function claim(name: string): Promise<void> {
  const label = `${auditor} ${name}`;
  const askedAt = bootClockMs();
  journal.write({ kind: "claim-asked", claim: label, name, at: askedAt });
  try {
    const { id, token } = await registry.claim(name, { type: "node", waitMs });
    journal.write({ kind: "claim-granted", claim: label, name, id, token, askedAt, at: bootClockMs() });
  } catch (error) {
    const code = isNameholdError(error) ? error.code : "unexpected";
    journal.write({ kind: "claim-refused", claim: label, name, code, askedAt, at: bootClockMs() });
    journal.write({ kind: "error", doing: "audit", code, message: String(error), at: bootClockMs() });
  }
}
