import type { Pair } from './cluster-people.ts';
import type { BlowResult, ConversationResult } from './cluster-result.ts';
import type { Conversation } from './crowd-messages.ts';
import type { RelayPlaces } from './relay-places.ts';

/** Where a relay is that no supernode of the demo has. */
export const UNKNOWN_PLACE = 'unknown';

type Names = Readonly<Record<'caller' | 'callee', { readonly name: string }>>;

/** Which supernodes an end sends through. */
export function placesOf({ path, relays }: Conversation, places: RelayPlaces): readonly string[] {
  if (path !== 'relayed') return [];
  const found = relays.map((address) => places.nodeAt(address) ?? UNKNOWN_PLACE);
  return found.length === 0 ? [UNKNOWN_PLACE] : [...new Set(found)].sort();
}

/**
 * How each end did. A conversation ran through the killed supernode if either of its ends sent through a relay there right before: what one
 * end sends is what the other one hears, and what the other one acknowledges.
 */
export function conversationResults(
  nodeId: string,
  pairs: readonly (Pick<Pair, 'kind'> & Names)[],
  before: readonly Conversation[],
  after: readonly Conversation[],
  places: RelayPlaces,
): readonly ConversationResult[] {
  const find = (ends: readonly Conversation[], wanted: string): Conversation | undefined =>
    ends.find(({ name }) => name === wanted);
  return pairs.flatMap(({ caller, callee, kind }) => {
    const names = [caller.name, callee.name];
    const throughBefore = names.map((name) => {
      const end = find(before, name);
      return end ? placesOf(end, places) : [];
    });
    const ranThroughLost = throughBefore.flat().includes(nodeId);
    return names.map((name, at): ConversationResult => {
      const [was, is] = [find(before, name), find(after, name)];
      return {
        ...{ name, peer: names[1 - at] ?? '', kind, ranThroughLost },
        before: { path: was?.path ?? 'none', through: throughBefore[at] ?? [] },
        after: { path: is?.path ?? 'none', through: is ? placesOf(is, places) : [] },
        broken: is ? is.broken : 'there is none',
        longestGapMs: is?.longestGapMs ?? Infinity,
      };
    });
  });
}

/** Those that ran through the killed supernode, or those that did not. */
export function tally(
  conversations: readonly ConversationResult[],
  ranThroughLost: boolean,
): BlowResult['untouched'] {
  const some = conversations.filter((one) => one.ranThroughLost === ranThroughLost);
  return {
    count: some.length,
    broken: some.filter(({ broken }) => broken !== null).length,
    longestGapMs: Math.max(0, ...some.map(({ longestGapMs }) => longestGapMs)),
  };
}

/** The supernode that most ends send through; undefined where nobody sends through any. */
export function busiestRelay(ends: readonly Conversation[], places: RelayPlaces): string | undefined {
  const counts = new Map<string, number>();
  for (const end of ends)
    for (const place of placesOf(end, places))
      if (place !== UNKNOWN_PLACE) counts.set(place, (counts.get(place) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0];
}
