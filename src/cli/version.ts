import { readFileSync, writeSync } from "node:fs";

export function packageVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}

/**
 * Prints the version, before anything else of the program is loaded: that takes four times as long.
 *
 * @returns false when standard output did not take it; then the program is to do it, which knows how to tell that
 */
export function printVersion(): boolean {
  try {
    writeSync(1, `${packageVersion()}\n`);
    return true;
  } catch {
    return false;
  }
}
