import type { Narrator } from '../narrator.ts';
import type { BlowResult, ClusterDemoResult } from './cluster-result.ts';
import { UNKNOWN_PLACE } from './conversation-tally.ts';

/** A conversation that is silent for longer was interrupted. */
export const BACK_WITHIN_MS = 1_000;

/** Whether one blow was borne as the product promises. */
export function judgeBlow(narrator: Narrator, blow: BlowResult): boolean {
  const { killed, nodeId, rosterMs, reHomed, lastReHomedMs, untouched, throughLostRelay } = blow;
  const unknown = blow.conversations.filter(({ before }) => before.through.includes(UNKNOWN_PLACE));
  narrator.title(`After the end of ${nodeId} (${killed})`);
  narrator.say(`no process with clients stood still for more than ${blow.longestStallMs.toFixed(0)} ms`);
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
      unknown.length === 0,
      unknown.length === 0
        ? 'it was known of every conversation through which supernodes it went'
        : `nobody knows what relayed ${unknown.map(({ name }) => name).join(', ')}`,
    ),
    narrator.check(
      // Where there are none of a kind, nothing was shown of it.
      untouched.count > 0 && (killed === 'coordinator' || throughLostRelay.count > 0),
      `${throughLostRelay.count} ends of conversations went through a relay of ${nodeId}, ${untouched.count} did not`,
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
