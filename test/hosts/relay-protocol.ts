/**
 * What a relay does with what passes through it.
 *
 * - `pass`: hands everything on
 * - `cut-replies`: hands requests on, and breaks the connection when the answer comes: the outcome is unknown to the client
 * - `swallow`: takes requests and never answers; connections stay open
 * - `delay`: hands everything on, `RELAY_DELAY_MS` late each way
 * - `duplicate`: delivers every request twice, and answers with the second answer; over HTTP alone
 */
export type RelayMode = "pass" | "cut-replies" | "swallow" | "delay" | "duplicate";

export const RELAY_DELAY_MS = 400;

/** What a relay is told, as JSON, in its one argument; its modes come on its stdin, one a line, and are echoed when in force. */
export interface RelaySettings {
  readonly protocol: "tcp" | "http";
  readonly routes: readonly RelayRoute[];
}

export interface RelayRoute {
  readonly listenPort: number;
  readonly host: string;
  readonly port: number;
}
