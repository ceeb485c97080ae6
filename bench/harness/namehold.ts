/**
 * The package that is measured: the checkout's own build, as its users get it. By path and not as a dependency, so that
 * bench's lock file does not change with every dependency of the package.
 */
import { fileURLToPath } from "node:url";
import type * as Library from "../../src/index.ts";

export const CHECKOUT = fileURLToPath(new URL("../..", import.meta.url));
export const LIBRARY_PATH = fileURLToPath(new URL("../../dist/index.js", import.meta.url));
export const CLI_PATH = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

export async function loadNamehold(): Promise<typeof Library> {
  return (await import(LIBRARY_PATH)) as typeof Library;
}
