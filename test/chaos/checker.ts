/**
 * Judges the journals of a chaos run. Pure: the same history, the same verdict.
 *
 * What a clean verdict proves, for this history and no more:
 *
 * - G1  Every id that was ever answered for a name (by a grant, a look-up or the final file) is the same one, no two
 *       names share one, no name that had been granted was later reported absent.
 * - G2  No two grants of a name were believed at once. A belief is counted from the answer of the claim to the BEGIN of
 *       the last sample that said `held`: what the holder certainly believed, so a verdict of guilt is certain too.
 * - G3  Tokens of a name never repeat, and rise wherever the order of two grants is certain: the second was asked after
 *       the first was answered, or both were believed and the first was answered first.
 * - G4  No sample that began after a successor's grant had been answered says `held` or shows an un-aborted signal; and
 *       a belief once ended (a sample, a loss, a release) never returns.
 * - G5  The guarded resource never accepted a lower token after a higher one, nor a token that was not granted to the
 *       writer, nor refused the highest one. A former holder's release ended nobody else's hold.
 * - G6  After the last fault every name was granted to somebody within the bound; and nobody waited in vain while for
 *       two TTLs nobody held the name and nothing was disturbed.
 * - G7  Every change of hands and every loss has a cause that the history shows: a release, the holder's end, a stopped
 *       process or full disk within the last TTLs, a stall in the holder's own journal, or a refresh that failed. A
 *       stepped wall clock is no cause.
 * - G9  Each counter ends between its acknowledged increments and those plus the ones of unknown outcome.
 *
 * What it does not prove. Samples are moments: a belief that was wrong only between two samples, or only within one
 * sample's window, is not seen; nor is one whose process was killed before it sampled. A write that a former holder made
 * before its successor first wrote is accepted by any fence, and is no violation. An excuse under G7 is looked for, not
 * weighed: a theft in the shadow of another process's pause passes. Python holders are judged by their grants and their
 * successful refreshes alone, since nothing tells them of a loss (docs/SPEC.md, what is not promised). Power loss,
 * other machines and other file systems are not in these histories.
 */
import { checkFencing } from "./check-fencing.ts";
import { checkHandover } from "./check-handover.ts";
import { checkHolding } from "./check-holding.ts";
import { checkIdentity } from "./check-identity.ts";
import { checkJournals } from "./check-journals.ts";
import { checkLiveness } from "./check-liveness.ts";
import { checkUpdates } from "./check-updates.ts";
import type { History, Violation } from "./history.ts";

/** All violations, journals that cannot be trusted first. Empty means: see above. */
export function judge(history: History): Violation[] {
  return [
    ...checkJournals(history),
    ...checkIdentity(history),
    ...checkHolding(history),
    ...checkFencing(history),
    ...checkHandover(history),
    ...checkLiveness(history),
    ...checkUpdates(history),
  ];
}
