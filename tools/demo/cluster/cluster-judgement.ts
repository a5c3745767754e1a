import type { Narrator } from '../narrator.ts';
import type { Pair } from './cluster-people.ts';
import type { BlowResult, ClusterDemoResult } from './cluster-result.ts';

/** A conversation that is silent for longer was interrupted. */
export const BACK_WITHIN_MS = 1_000;

/**
 * Names of both ends of each relayed conversation that may have its relay at a supernode: that is the home of one of the two.
 * `users`: those who are at home there.
 */
export function relayedAt(pairs: readonly Pair[], users: ReadonlySet<string>): ReadonlySet<string> {
  return new Set(
    pairs
      .filter(
        ({ relayed, caller, callee }) => relayed && (users.has(caller.userId) || users.has(callee.userId)),
      )
      .flatMap(({ caller, callee }) => [caller.name, callee.name]),
  );
}

/** Whether one blow was borne as the product promises. */
export function judgeBlow(narrator: Narrator, blow: BlowResult): boolean {
  const { killed, nodeId, rosterMs, reHomed, lastReHomedMs, untouched, throughLostRelay } = blow;
  narrator.title(`After the end of ${nodeId} (${killed})`);
  return [
    narrator.check(
      rosterMs !== null,
      `a new roster came ${rosterMs === null ? 'not in time' : `after ${rosterMs.toFixed(0)} ms`}`,
    ),
    narrator.check(
      lastReHomedMs !== null,
      lastReHomedMs === null
        ? 'not everybody came back'
        : `${reHomed} clients came back, the last after ${lastReHomedMs.toFixed(0)} ms`,
    ),
    narrator.check(
      untouched.broken === 0 && untouched.longestGapMs <= BACK_WITHIN_MS,
      `${untouched.broken} of ${untouched.count} ends of conversations that did not need it broke; the longest silence was ${untouched.longestGapMs.toFixed(0)} ms`,
    ),
    narrator.check(
      throughLostRelay.broken === 0 && throughLostRelay.longestGapMs <= BACK_WITHIN_MS,
      `${throughLostRelay.broken} of ${throughLostRelay.count} ends of conversations through its relay broke; the longest silence was ${throughLostRelay.longestGapMs.toFixed(0)} ms`,
    ),
  ].every(Boolean);
}

export function judgeMessages(narrator: Narrator, messages: ClusterDemoResult['messages']): boolean {
  const { stored, receivedOnce, lost, duplicates } = messages;
  narrator.title('In the end');
  return narrator.check(
    stored > 0 && lost === 0 && duplicates === 0,
    `${receivedOnce} of ${stored} stored messages came once; ${lost} were lost, ${duplicates} came again`,
  );
}
