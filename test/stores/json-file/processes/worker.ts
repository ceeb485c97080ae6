import { parentPort, workerData } from "node:worker_threads";
import { isNameholdError, openRegistry } from "../../../../src/index.js";

/** Claims one name in a worker thread, says how that went, and stays until the thread is ended. */
const { path, name, options } = workerData as {
  readonly path: string;
  readonly name: string;
  readonly options: Parameters<typeof openRegistry>[1];
};

const registry = await openRegistry(path, options);
const instance = registry.lockManager.instanceId;
try {
  await registry.claim(name, { type: "node" });
  parentPort?.postMessage({ instance, failure: null });
} catch (error) {
  if (!isNameholdError(error)) throw error;
  parentPort?.postMessage({ instance, failure: error.code });
}
setInterval(() => {}, 60_000);
