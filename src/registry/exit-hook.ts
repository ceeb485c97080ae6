/**
 * One listener for the end of the process, however many registries are open. It runs on a return, `process.exit` and an
 * uncaught error, not on a signal: the library installs no signal handler.
 */
const hooks = new Set<() => void>();

/** Calls `hook`, synchronously, when the process exits. @returns a function that cancels it */
export function atExit(hook: () => void): () => void {
  if (hooks.size === 0) process.once("exit", runHooks);
  hooks.add(hook);
  return () => {
    hooks.delete(hook);
    if (hooks.size === 0) process.removeListener("exit", runHooks);
  };
}

function runHooks(): void {
  for (const hook of hooks) {
    try {
      hook();
    } catch (error) {
      // Nobody can wait for a release any more; the TTL, or the proof of death, frees the names.
      process.emitWarning(`Names were not released at exit: ${String(error)}`, "NameholdWarning");
    }
  }
}
