/** What was built, as a Windows process runs it: dist/ beside this folder, not src/. */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type koffiModule from "koffi";

export const library = await load<typeof import("../../src/index.js")>("index.js");
export const { FileLock } = await load<typeof import("../../src/platform/file-lock.js")>("platform/file-lock.js");
export const { Presence } = await load<typeof import("../../src/platform/presence.js")>("platform/presence.js");
export const { probePresence } =
  await load<typeof import("../../src/platform/presence-probe.js")>("platform/presence-probe.js");
export const { bootId, systemClock } = await load<typeof import("../../src/platform/clock.js")>("platform/clock.js");
export const { fileSystemKind, isLocalFileSystem } =
  await load<typeof import("../../src/platform/file-system.js")>("platform/file-system.js");
export const { newUlid } =
  await load<typeof import("../../src/platform/process-identity.js")>("platform/process-identity.js");

export const CLI_PATH = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
export const koffi = createRequire(import.meta.url)("koffi") as typeof koffiModule;

async function load<T>(path: string): Promise<T> {
  return (await import(new URL(`../../dist/${path}`, import.meta.url).href)) as T;
}
