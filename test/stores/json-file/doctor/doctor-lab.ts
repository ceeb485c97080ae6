/** A registry file with names, and what doctor says about it. */
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Checkup, Finding } from "../../../../src/core/finding.js";
import type { Clock } from "../../../../src/core/timing.js";
import { JsonFileStore } from "../../../../src/stores/json-file/json-file-store.js";
import { LabFiles } from "../lab-files.js";

export const NODE = { type: "node" } as const;

export interface DoctorOptions {
  readonly fix?: boolean;
  readonly clock?: Clock;
}

/** A lab in which `names` were claimed and given back. */
export async function labWith(names: readonly string[], lab = new LabFiles()): Promise<LabFiles> {
  const registry = await lab.open();
  for (const name of names) await (await registry.claim(name, NODE)).release();
  await registry.close();
  return lab;
}

export class Report {
  readonly checkups: readonly Checkup[];

  constructor(checkups: readonly Checkup[]) {
    this.checkups = checkups;
  }

  get findings(): readonly Finding[] {
    return this.checkups.flatMap(({ findings }) => findings);
  }

  /** What is not fixed. Where the tests run in a container's own layer, that is noted too, and rightly. */
  get codes(): readonly string[] {
    return this.findings
      .filter(({ code, fixed }) => fixed === undefined && code !== "place.overlay")
      .map(({ code }) => code);
  }

  finding(code: string): Finding {
    const found = this.findings.find((finding) => finding.code === code);
    if (found === undefined) throw new Error(`there is no ${code} among ${JSON.stringify(this.findings, null, 2)}`);
    return found;
  }

  looked(check: string): string {
    return this.checkups.find((checkup) => checkup.check === check)?.looked ?? "";
  }
}

/** What doctor says. Without `fix`, it must leave everything as it was. */
export async function examined(lab: LabFiles, { fix = false, clock }: DoctorOptions = {}): Promise<Report> {
  const before = treeOf(lab.directory);
  const store = new JsonFileStore(lab.path, clock === undefined ? {} : { clock });
  try {
    const report = new Report(await Array.fromAsync(store.diagnose({ fix })));
    if (!fix) expect(treeOf(lab.directory)).toEqual(before);
    return report;
  } finally {
    await store.close();
  }
}

/** All that can be told of the files in a directory, but when they were read. */
function treeOf(directory: string): unknown {
  return readdirSync(directory, { recursive: true, withFileTypes: true }).map((entry) => {
    const path = join(entry.parentPath, entry.name);
    const { ino, mode, uid, mtimeMs, ctimeMs, nlink } = lstatSync(path);
    return { path, ino, mode, uid, mtimeMs, ctimeMs, nlink, text: entry.isFile() ? readFileSync(path, "latin1") : "" };
  });
}
