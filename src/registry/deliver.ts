/**
 * Calls a listener of the user's. What it throws is the user's uncaught exception, as with Node's own event targets;
 * it must not end the heartbeat that called it.
 */
export function deliver(call: () => void): void {
  try {
    call();
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
  }
}
