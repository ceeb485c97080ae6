/** What the auditor is told, as JSON, in its one argument. */
export interface AuditorSettings {
  /** Its journal's name. */
  readonly process: string;
  readonly journalPath: string;
  /** Where to write what is in the registry, as JSON: `FinalState` with its maps as lists of pairs. */
  readonly statePath: string;
  readonly location: string;
  readonly names: readonly string[];
  readonly ttlMs: number;
  readonly heartbeatMs: number;
  readonly waitMs: number;
}
