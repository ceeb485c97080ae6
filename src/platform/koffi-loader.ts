import { createRequire } from "node:module";
import { type } from "node:os";
import type koffiModule from "koffi";
import { NameholdError } from "../core/errors.js";

export type Koffi = typeof koffiModule;

/**
 * koffi, which calls C functions. Loaded when it is first needed.
 *
 * @throws NameholdError `unsupported` where koffi has no binary for this machine
 */
export function loadKoffi(): Koffi {
  try {
    return createRequire(import.meta.url)("koffi") as Koffi;
  } catch (cause) {
    const machine = `${type()}, ${process.arch}`;
    const message = `The system's functions cannot be called on this machine (${machine}): koffi failed to load. Install koffi's package for ${machine} (do not omit optional dependencies).`;
    throw new NameholdError("unsupported", message, { cause });
  }
}
