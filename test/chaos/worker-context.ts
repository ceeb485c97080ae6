import type { Registry } from "namehold";
import type { JournalWriter } from "./journal.ts";
import type { ResourceClient } from "./resource-client.ts";
import type { WorkerSettings } from "./worker-settings.ts";

/** What all parts of a worker share. */
export interface WorkerContext {
  readonly settings: WorkerSettings;
  readonly registry: Registry;
  readonly resource: ResourceClient;
  readonly journal: JournalWriter;
  readonly stopping: AbortSignal;
}
