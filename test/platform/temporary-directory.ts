import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A new directory, removed with the test; other users may enter it. */
export function temporaryDirectory(mode = 0o755): string {
  const directory = mkdtempSync(join(tmpdir(), "namehold-platform-"));
  chmodSync(directory, mode);
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
