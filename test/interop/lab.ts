import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FakeClock } from "./fake-clock.js";
import { NameholdNode, type NameholdOptions } from "./namehold.js";
import { type PythonEntry, PythonNode, type PythonOptions } from "./python.js";

/** A directory with one registry file and the Python and namehold processes that share it; all end with the test. */
export class Lab implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), "namehold-interop-"));
  readonly path = join(this.directory, "registry.json");
  readonly #nodes: AsyncDisposable[] = [];

  async python(options: Partial<PythonOptions> = {}): Promise<PythonNode> {
    const node = await PythonNode.start({ path: this.path, ...options });
    this.#nodes.push(node);
    return node;
  }

  async namehold(options: Partial<NameholdOptions> = {}): Promise<NameholdNode> {
    const node = await NameholdNode.start({ path: this.path, ...options });
    this.#nodes.push(node);
    return node;
  }

  clock(name: string): FakeClock {
    return new FakeClock(this.directory, name);
  }

  text(): string {
    return readFileSync(this.path, "utf8");
  }

  write(text: string): void {
    writeFileSync(this.path, text);
  }

  /** An entry as the file has it. Python writes in place, so what cannot be read is read again for a while. */
  async entry(name: string): Promise<PythonEntry | undefined> {
    let entries: Readonly<Record<string, PythonEntry>> = {};
    await eventually(1000, () => {
      const text = this.text();
      if (!isJson(text)) return false;
      entries = (JSON.parse(text) as { readonly entries: typeof entries }).entries;
      return true;
    });
    return Object.hasOwn(entries, name) ? entries[name] : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node[Symbol.asyncDispose]()));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Asks until the answer is true; answers how long that took. Throws after `timeoutMs`. */
export async function eventually(timeoutMs: number, ask: () => Promise<boolean> | boolean): Promise<number> {
  const started = performance.now();
  while (!(await ask())) {
    if (performance.now() - started > timeoutMs) throw new Error(`not so within ${timeoutMs} ms: ${ask.toString()}`);
    await sleep(10);
  }
  return performance.now() - started;
}

export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
