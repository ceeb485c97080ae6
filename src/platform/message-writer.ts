import { host } from "./host.js";

/**
 * Writes to standard error without ever waiting for whoever reads it, and without failing: what a full pipe, a terminal
 * that was paused with Ctrl-S or a full disk does not take is lost. For processes on whose next step lives depend.
 */
export function writeMessage(text: string): void {
  try {
    host().standardError.write(text);
  } catch {
    // There is nobody left to tell.
  }
}
