import type { HistoryQuery, PastHold } from "../../core/history.js";

/** Ended holds, the last to end first. */
export function* readHistory(_holdersDirectory: string, _query: HistoryQuery): Iterable<PastHold> {}
